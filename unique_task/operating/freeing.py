"""Releases locks from their holders, by token: never a successor's lock."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from celery import Celery

from ..backends.base import Backend
from ..backends.steps import Release, Tombstone
from .app_tasks import stores_of
from .holders import ALIVE, DEAD, Holder, Lock
from .holding import one_line
from .steering import Steering

#: What becomes of a holder's lock.
RELEASED, OFFERED, GONE, REFUSED = "released", "would be released", "gone", "refused"

#: Seconds for which a tombstone stands after the end of the lease: a run that stalls
#: for longer, in a paused machine, may take its lock again.
_STALL = 3600.0


@dataclass(frozen=True)
class Released:
    """What became of the lock of one holder.

    Attributes:
        lock: as it was seen.
        holder: of the lock; None if it cannot be told.
        outcome: ``released``; ``would be released``, without `force`; ``gone``: the
            holder did not hold it any more; ``refused``.
        reason: for people.
        revoked: whether the workers were told to revoke its task; None if that was not
            to be done.
        needs_running: whether it was refused for want of `running` alone.
    """

    lock: Lock
    holder: Holder | None
    outcome: str
    reason: str = ""
    revoked: bool | None = None
    needs_running: bool = False


#: Nobody answers a revoke, and a pool of threads cannot end a run.
_TOLD = "its task is revoked; a pool of threads, or solo, lets its run go on"


@dataclass(frozen=True)
class _Wish:
    """What an operator wants of the locks."""

    force: bool
    running: bool
    by: str
    revoke: bool


def release(
    app: Celery,
    locks: Iterable[Lock],
    *,
    force: bool = False,
    running: bool = False,
    by: str = "an operator",
    revoke: bool = False,
) -> Iterator[Released]:
    """Release locks from their holders, as these were seen; yield what became of each.

    The store compares tokens: whoever got a lock since then keeps it. The message of a
    pending lock is a call like any other when it comes. A run that lives goes on,
    unless it is revoked, and does not take its lock again: at its next renewal, its
    :func:`.current_lock` is lost, and says by whom. A call that waits starts at once.

    Arguments:
        locks: with judged holders.
        force: without it, nothing is released.
        running: release also what lives, or may live.
        by: who asks, for those whose locks are released.
        revoke: revoke the tasks of the holders, too, and terminate those that run.

    Raises:
        ConfigurationError: if `by` is not one line of some words.
        LockStoreError: if a store does not answer.
    """
    wish = _Wish(force, running, one_line("by", by), revoke)
    return _release(app, locks, wish)


def _release(app: Celery, locks: Iterable[Lock], wish: _Wish) -> Iterator[Released]:
    stores, workers = stores_of(app), Steering(app)
    for lock in locks:
        backend = stores.get(lock.fingerprint)
        if backend is None or lock.name is None or not lock.holders:
            yield Released(lock, None, REFUSED, _why_not_at_all(lock))
            continue
        for holder in lock.holders:
            yield _released(backend, lock, holder, wish, workers)


def _why_not_at_all(lock: Lock) -> str:
    if lock.unreadable:
        return "a newer version of unique_task wrote it: use that one"
    if lock.name is None:
        return "the store keeps a digest of its name: name the lock by its call"
    return "its holders cannot be told"


def _released(
    backend: Backend, lock: Lock, holder: Holder, wish: _Wish, workers: Steering
) -> Released:
    reason = "" if wish.running else _why_not(holder)
    if reason:
        return Released(lock, holder, REFUSED, reason, needs_running=True)
    if not wish.force:
        return Released(lock, holder, OFFERED, f"{holder.verdict}: {holder.reason}")
    if not backend.release_as(_step(lock, holder, wish.by)):
        return Released(lock, holder, GONE, "it did not hold the lock any more")
    if lock.key is not None:
        workers.start_waiting(lock.key)
    if wish.revoke:
        return _revoked(lock, holder, workers)
    goes_on = "its run goes on, and hears of it at its next renewal"
    return Released(lock, holder, RELEASED, goes_on if _may_live(holder) else "")


def _step(lock: Lock, holder: Holder, by: str) -> Release:
    """Return the step that releases a lock; who may live must not take it again."""
    # Somebody may have taken the end from the lock, in the store.
    left = holder.remaining if math.isfinite(holder.remaining) else 0.0
    tombstone = Tombstone(by, left + _STALL)
    return Release(
        lock.name or "",
        holder.token,
        limit=len(lock.holders),
        tombstone=tombstone if _may_live(holder) else None,
    )


def _may_live(holder: Holder) -> bool:
    """Tell whether a run may go on that would take its lock again."""
    return holder.state in ("running", "called") and holder.verdict != DEAD


def _revoked(lock: Lock, holder: Holder, workers: Steering) -> Released:
    if holder.state not in ("pending", "running"):
        return Released(lock, holder, RELEASED, "there is no task to revoke")
    runs = holder.state == "running"
    revoked = workers.revoke(holder.owner, terminate=runs)
    reason = _TOLD if runs else "its task is revoked"
    if not revoked:
        reason = f"not revoked: {workers.missing}"
    return Released(lock, holder, RELEASED, reason, revoked)


def _why_not(holder: Holder) -> str:
    """Return why a lock is not released; empty if it may be."""
    if holder.state == "pending" or holder.hold or holder.verdict == DEAD:
        return ""
    if holder.verdict != ALIVE:
        return "" if holder.state == "called" else _unknown(holder)
    if not holder.process:
        return f"{holder.reason}, in {holder.remaining:.0f} s"
    return holder.reason


def _unknown(holder: Holder) -> str:
    return (
        f"nobody knows whether it lives: {holder.reason}; its lock is free in "
        f"{holder.remaining:.0f} s if nothing renews it"
    )
