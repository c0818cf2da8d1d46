"""Frees locks whose holders no longer need them, by token: never a successor's lock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from celery import Celery

from ..backends.base import Backend
from .app_tasks import stores_of
from .holders import ALIVE, DEAD, Holder, Lock

#: What becomes of a holder's lock.
RELEASED, OFFERED, GONE, REFUSED = "released", "would be released", "gone", "refused"


@dataclass(frozen=True)
class Released:
    """What became of the lock of one holder.

    Attributes:
        lock: as it was seen.
        holder: of the lock; None if it cannot be told.
        outcome: ``released``; ``would be released``, without `force`; ``gone``: the
            holder did not hold it any more; ``refused``.
        reason: for people.
    """

    lock: Lock
    holder: Holder | None
    outcome: str
    reason: str = ""


def release(
    app: Celery, locks: Iterable[Lock], *, force: bool = False, running: bool = False
) -> Iterator[Released]:
    """Release locks from their holders, as these were seen; yield what became of each.

    The store compares tokens: whoever got a lock since then keeps it. The message of a
    pending lock is a call like any other when it comes. A run that lives takes its lock
    again at its next renewal, if nobody else has it by then.

    Arguments:
        locks: with judged holders.
        force: without it, nothing is released.
        running: release also what lives, or may live: end its task before.

    Raises:
        LockStoreError: if a store does not answer.
    """
    stores = stores_of(app)
    for lock in locks:
        backend = stores.get(lock.fingerprint)
        if backend is None or lock.name is None or not lock.holders:
            yield Released(lock, None, REFUSED, _why_not_at_all(lock))
            continue
        for holder in lock.holders:
            yield _released(backend, lock.name, lock, holder, force, running)


def _why_not_at_all(lock: Lock) -> str:
    if lock.unreadable:
        return "a newer version of unique_task wrote it: use that one"
    if lock.name is None:
        return "the store keeps a digest of its name: name the lock by its call"
    return "its holders cannot be told"


def _released(
    backend: Backend, name: str, lock: Lock, holder: Holder, force: bool, running: bool
) -> Released:
    reason = "" if running else _why_not(holder)
    if reason:
        return Released(lock, holder, REFUSED, reason)
    if not force:
        return Released(lock, holder, OFFERED, f"{holder.verdict}: {holder.reason}")
    if backend.release(name, holder.token, limit=len(lock.holders)):
        return Released(lock, holder, RELEASED)
    return Released(lock, holder, GONE, "it did not hold the lock any more")


def _why_not(holder: Holder) -> str:
    """Return why a lock is not released; empty if it may be."""
    if holder.state == "pending" or holder.hold or holder.verdict == DEAD:
        return ""
    if holder.verdict != ALIVE:
        return "" if holder.state == "called" else _unknown(holder)
    if not holder.process:
        return f"{holder.reason}, in {holder.remaining:.0f} s"
    if holder.state == "called":
        return f"{holder.reason}: end that process"
    return (
        f"{holder.reason}: it would take its lock again at its next renewal. End its "
        f"task, by celery -A proj control terminate SIGTERM {holder.owner}"
    )


def _unknown(holder: Holder) -> str:
    return (
        f"nobody knows whether it lives: {holder.reason}; its lock is free in "
        f"{holder.remaining:.0f} s if nothing renews it"
    )
