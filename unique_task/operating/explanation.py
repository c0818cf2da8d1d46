"""Explains what would happen to a call now, when it is published and when it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from celery import Celery

from ..backends.record import Record, Token
from ..backends.steps import Stored
from ..leases.process import is_gone
from ..messages.values import UNUSABLE, usable_value
from ..options.policies import Cached, Replace, Wait
from .app_tasks import Call
from .details import locks_of_key
from .holders import Holder, Lock
from .verdicts import judged
from .wording import fate, made_of, policy_name
from .workers import TIMEOUT, Workers

_NEWER = "a newer version of unique_task wrote the lock, which this one leaves alone"


@dataclass(frozen=True)
class Place:
    """What happens to a call at one place.

    Attributes:
        policy: for duplicates there, as a user writes it.
        happens: to the call, if it came now; for people.
        duplicate: whether the call is a duplicate there.
        free_in: seconds until it is none at the latest, if nothing renews the locks;
            None if it is none.
    """

    policy: str
    happens: str
    duplicate: bool = False
    free_in: float | None = None


@dataclass(frozen=True)
class Explanation:
    """What would happen to a call now; times are seconds.

    Attributes:
        task: name of the task.
        key: of the call.
        namespace: of the key.
        key_option: how the option ``key=`` makes it.
        made_of: names of the parameters that it is made of.
        store: where its lock lives.
        lock: the lock type.
        limit: how many may hold the key at once.
        expire: how long a lock stands when nothing renews it.
        lease: how long the lock of a run stands without a sign of life; None if it is
            not renewed.
        at_publish: what happens when the call is published.
        at_run: what happens when it comes to a worker.
        locks: the locks of the key that are held, with their holders.
        has_value: whether the store has a fresh value for it; None without ``cached``.
        value: that value; None if this app cannot read it.
    """

    task: str
    key: str
    namespace: str
    key_option: str
    made_of: tuple[str, ...]
    store: str
    lock: str
    limit: int
    expire: float
    lease: float | None
    at_publish: Place
    at_run: Place
    locks: tuple[Lock, ...]
    has_value: bool | None
    value: Any


def explain(
    app: Celery,
    task: str,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    timeout: float = TIMEOUT,
) -> Explanation:
    """Return what would happen to this call now; nothing is sent.

    To see a value of ``cached``, it takes a free lock and releases it in one step.

    Arguments:
        task: name of the task.
        timeout: seconds to wait for the workers' answers; 0 not to ask them.

    Raises:
        UnknownCallError: if the app has no such task, or the arguments do not fit it.
        ConfigurationError, UniqueKeyError, UniqueLimitError: as the call itself.
        LockStoreError: if the store does not answer.
    """
    call = Call.of(app, task, list(args or ()), dict(kwargs or {}))
    plan, (option, names) = call.plan, made_of(call.spec)
    locks = judged(app, locks_of_key(call.backend, call.key), Workers(app, timeout))
    stored = _stored(call)
    return Explanation(
        task=task,
        key=call.key,
        namespace=call.spec.namespace(call.task),
        key_option=option,
        made_of=names,
        store=call.backend.name,
        lock=plan.lock.name,
        limit=call.limit,
        expire=plan.expire,
        lease=plan.lease if plan.renew else None,
        at_publish=_in_shadow(call, "sent", _at_publish(call, locks, stored)),
        at_run=_in_shadow(call, "runs", _at_run(call, locks, stored)),
        locks=tuple(locks),
        has_value=None if plan.value_ttl is None else stored is not None,
        value=None if stored is None else stored.value,
    )


@dataclass(frozen=True)
class _Fresh:
    """A fresh value; None where this app cannot read it."""

    value: Any


def _stored(call: Call) -> _Fresh | None:
    if call.plan.value_ttl is None:
        return None
    record = Record(Token.of_attempt("explain"))
    answer = call.backend.acquire(call.key, record, 0, accept_value=True)
    if not isinstance(answer, Stored):
        return None
    value = usable_value(call.task, answer.value)
    return None if value is UNUSABLE else _Fresh(value)


def _in_shadow(call: Call, goes_on: str, place: Place) -> Place:
    """Return what happens to a call; in shadow mode, that it goes on in any case."""
    if not call.settings.shadow:
        return place
    counted = ", and counted" if place.duplicate else ""
    happens = f"shadow: {goes_on}{counted}; would be: {place.happens}"
    return replace(place, happens=happens)


def _at_publish(call: Call, locks: Sequence[Lock], stored: _Fresh | None) -> Place:
    plan, policy = call.plan, policy_name(call.plan.publish_policy)
    if not call.settings.enabled:
        return Place(policy, "sent without a lock: unique_enabled is off")
    if not (plan.lock.taken_at_publish and call.settings.headers):
        return Place(policy, "sent: its worker takes the lock")
    if stored is not None:
        return Place(policy, "not sent: the caller gets the stored value", True)
    name = plan.lock.reservation_name(call.key)
    limit = plan.lock.reservation_limit(call.limit)
    if _is_unreadable(locks, name):
        return Place(policy, f"not sent: {_NEWER}")
    # As whoever publishes here does: only of those whose message cannot come again.
    holders = [h for h in _holders(locks, name) if not (h.final and is_gone(h.process))]
    if len(holders) < limit:
        return Place(policy, "sent: it takes the lock")
    return Place(
        policy, _fate_at_publish(call, holders[0]), True, _free(holders, limit)
    )


def _fate_at_publish(call: Call, holder: Holder) -> str:
    policy = call.plan.publish_policy
    if isinstance(policy, Replace) and holder.replaceable:
        return f"sent: it takes the place of {holder.owner}, which has not started"
    # Tasks that share a namespace cannot use each other's values.
    if isinstance(policy, Cached) and holder.task != call.task.name:
        policy = Wait()
    return fate(policy, holder, published=True)


def _at_run(call: Call, locks: Sequence[Lock], stored: _Fresh | None) -> Place:
    lock, policy = call.plan.lock, policy_name(call.plan.run_policy)
    if not call.settings.enabled:
        return Place(policy, "runs without a lock: unique_enabled is off")
    if stored is not None:
        return Place(policy, "does not run: it returns the stored value", True)
    if _is_unreadable(locks, call.key):
        return Place(policy, f"comes back later: {_NEWER}")
    holders = [h for h in _holders(locks, call.key) if not is_gone(h.process)]
    if len(holders) < call.limit:
        return Place(policy, "runs")
    happens = fate(call.plan.run_policy, holders[0], published=False)
    if lock.taken_at_publish and lock.reservation_name(call.key) == call.key:
        happens = f"if it is sent without the lock, as of a canvas: {happens}"
    return Place(policy, happens, True, _free(holders, call.limit))


def _holders(locks: Sequence[Lock], name: str) -> tuple[Holder, ...]:
    return next((lock.holders for lock in locks if lock.name == name), ())


def _is_unreadable(locks: Sequence[Lock], name: str) -> bool:
    return any(lock.unreadable for lock in locks if lock.name == name)


def _free(holders: Sequence[Holder], limit: int) -> float:
    """Return the seconds until fewer than `limit` hold a lock, if nothing renews it."""
    ends = sorted(holder.remaining for holder in holders)
    return ends[len(ends) - limit]
