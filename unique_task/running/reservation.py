"""Starts, extends or releases the lock that was reserved for a message.

Only lock types with two locks, a reservation and a lock of the run, start a
reservation. Where one lock is held from publish to the end, the attempt takes it over.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ..backends.record import Record
from ..backends.steps import Acquired, Held, Release, Replaced, StoreAnswer
from ..leases.background import release_or_later
from ..options.lock_types import LOCK_TYPES, LockType
from .attempt import Attempt
from .several import is_held_by_own


def start_reservation(attempt: Attempt) -> Held | Replaced | None:
    """Start the reservation of the message, as its lock type asks.

    ``until_executing`` releases it, ``until_expired`` keeps it for the rest of its
    time. One that has ended already is taken again if its lock is free.

    Returns:
        None if the body may run; else the answer that keeps it from running.
    """
    plan, lock = attempt.plan, attempt.plan.lock
    if lock.successor:
        return _start_successor(attempt)
    if lock.one_at_a_time and not attempt.reserved:
        return None
    answer = attempt.backend.acquire(
        attempt.reservation,
        record_of_no_process(attempt),
        plan.expire if lock.ends_by_time else 0,
        # The lock of the run does not show whether the message came this far before.
        remember_for=attempt.remember_for,
        take_over_from=attempt.reserved,
        keep_end=lock.ends_by_time,
        generation=attempt.generation,
        limit=attempt.reservation_limit,
    )
    if isinstance(answer, Replaced):
        return answer
    if lock.ends_by_time:
        _count_once(attempt, attempt.reservation, answer)
    # The attempt holds the lock of the run. Another message in the queue comes after.
    if lock.one_at_a_time:
        return None
    return _foreign(attempt, attempt.reservation, answer)


def _count_once(attempt: Attempt, name: str, answer: StoreAnswer) -> None:
    """Release the lock of that name if an earlier delivery of the message holds it.

    Under ``until_expired``, several calls have a place in a window, but each has one.
    """
    if attempt.limit == 1 or not isinstance(answer, Acquired):
        return
    again = answer.admitted or attempt.call.follows_itself
    if again and is_held_by_own(attempt, name):
        _release(attempt, name, attempt.record.token)


def _start_successor(attempt: Attempt) -> Held | None:
    """Start a successor if no lock keeps it from running; release its reservation.

    Returns:
        None if the body may run; else the lock that keeps it from running.
    """
    lock_type = LOCK_TYPES[attempt.plan.lock.name]
    # The lock of the run does not tell: no other call shares it, or several may.
    if not lock_type.one_at_a_time or attempt.limit > 1:
        held = _followed(attempt, lock_type)
        if held is None and not lock_type.one_at_a_time:
            # The lock of its type is not reserved for it.
            held = _take_lock_of_type(attempt, lock_type)
        if held is not None:
            return held
    names = attempt.plan.lock.reservation_names(attempt.key)
    for token in attempt.reserved:
        # With several, the lock may have been handed on after this call was let in.
        for name in names if attempt.limit > 1 else names[:1]:
            _release(attempt, name, token)
    return None


def _release(attempt: Attempt, name: str, token: str) -> None:
    attempt.backend.release(name, token, limit=attempt.reservation_limit)


def _followed(attempt: Attempt, lock_type: LockType) -> Held | None:
    """Return the lock of the task that a successor waits for, as long as that runs."""
    if attempt.follows == attempt.call.owner:
        return None
    holders = attempt.backend.holders(lock_type.run_name(attempt.key, attempt.follows))
    followed = (held for held in holders if held.record.owner == attempt.follows)
    return next(followed, None)


def _take_lock_of_type(attempt: Attempt, lock_type: LockType) -> Held | None:
    """Take the lock that a message of this type reserves; return the one in its way."""
    answer = attempt.backend.acquire(
        attempt.key,
        record_of_no_process(attempt),
        attempt.plan.expire if lock_type.ends_by_time else 0,
        remember_for=attempt.remember_for,
        limit=lock_type.reservation_limit(attempt.limit),
    )
    if lock_type.ends_by_time:
        _count_once(attempt, attempt.key, answer)
    return _foreign(attempt, attempt.key, answer)


def _foreign(attempt: Attempt, name: str, answer: StoreAnswer) -> Held | None:
    """Return the lock of another task that keeps the body from running, if any."""
    if not isinstance(answer, Held) or answer.admitted:
        return None
    if answer.record.owner == attempt.call.owner:
        return None
    # Of several holders, the answer shows the one whose lock ends first.
    several = attempt.limit > 1 and attempt.call.follows_itself
    return None if several and is_held_by_own(attempt, name) else answer


def record_of_no_process(attempt: Attempt) -> Record:
    """Return the record of a lock that outlives the process of the attempt."""
    return replace(attempt.record, process="", final=False)


def extend_reservation(attempt: Attempt, seconds: float) -> Replaced | None:
    """Keep the reservation of a message that comes back later.

    Arguments:
        seconds: longest time until it comes back.

    Returns:
        The answer if a later message has replaced this one.
    """
    if not (attempt.plan.lock.two_locks and attempt.reserved):
        return None
    (token,) = attempt.reserved
    answer = attempt.backend.acquire(
        attempt.reservation,
        replace(record_of_no_process(attempt), token=token, state="pending"),
        attempt.plan.expire + seconds,
        take_over_from=attempt.reserved,
        generation=attempt.generation,
        limit=attempt.reservation_limit,
    )
    return answer if isinstance(answer, Replaced) else None


def release_reservation_of(attempt: Attempt) -> None:
    """Release what was reserved for the message, which will not run; never raise."""
    for token in attempt.reserved:
        release = partial(_release_or_later, attempt)
        release_reservation(attempt.plan.lock, attempt.key, token, release)


def release_reservation(
    lock: LockType, key: str, token: str, release: Callable[[str, str], object]
) -> None:
    """Release what was reserved for a message that ends without a run.

    Only the lock of ``until_expired`` stays, until its time is over.

    Arguments:
        release: releases the lock of a name and a token.
    """
    if not lock.ends_by_time:
        for name in lock.reservation_names(key):
            release(name, token)


def _release_or_later(attempt: Attempt, name: str, token: str) -> None:
    until = attempt.published.until if attempt.published is not None else 0.0
    end = time.monotonic() + until - time.time()
    call, limit = attempt.call, attempt.reservation_limit
    release = Release(name, token, limit=limit)
    release_or_later(attempt.backend, release, call.task, call.owner, end)
