"""What becomes of the lock that was reserved for a message when that arrives.

That is for lock types whose reservation is apart from the lock of the run; where one
lock is held from publish to the end, the attempt takes it over as its own.
"""

from __future__ import annotations

import time
from dataclasses import replace

from ..backends.steps import Held, Replaced, StoreAnswer
from ..exceptions import ConfigurationError
from ..messages.lock_header import LockHeader
from ..options.lock_types import LOCK_TYPES, LockType
from .attempt import Attempt


def redeem(attempt: Attempt) -> Held | Replaced | None:
    """Let the lock that was reserved for the message begin its work.

    ``until_executing`` frees it, ``until_expired`` keeps it for the rest of its time.
    If its time was over before, it is taken if nobody else has it.

    Returns:
        None if the body may run; else who is in its way.
    """
    plan, lock = attempt.plan, attempt.plan.lock
    if lock.successor:
        return _follow(attempt)
    if lock.one_at_a_time and not attempt.reserved:
        return None
    answer = attempt.backend.acquire(
        attempt.reservation,
        # Of no process: the lock outlives it.
        replace(attempt.record, process="", final=False),
        plan.expire if lock.ends_by_time else 0,
        # Whether the message came this far before; the lock of the run does not tell.
        remember_for=attempt.remember_for,
        take_over_from=attempt.reserved,
        keep_end=lock.ends_by_time,
        generation=attempt.generation,
    )
    if isinstance(answer, Replaced):
        return answer
    if not isinstance(answer, Held) or answer.admitted:
        return None
    if answer.record.owner == attempt.call.owner:
        return None
    # With the lock of the run in hand, another one that waits has to wait for its turn.
    return None if lock.one_at_a_time else answer


def _follow(attempt: Attempt) -> Held | None:
    """Let a successor begin once nothing is in its way; free its place in the queue.

    Returns:
        None if the body may run; else who is in its way.
    """
    backend, own = attempt.backend, LOCK_TYPES[attempt.plan.lock.name]
    if not own.one_at_a_time:
        # The lock of the run is no other's. So wait for the one that it follows, and
        # for the lock of its type, which is not reserved for it.
        met = _followed(attempt, own) or _pass(attempt, own)
        if met is not None:
            return met
    for token in attempt.reserved:
        backend.release(attempt.reservation, token)
    return None


def _followed(attempt: Attempt, own: LockType) -> Held | None:
    if attempt.follows == attempt.call.owner:
        return None
    return attempt.backend.get(own.run_name(attempt.key, attempt.follows))


def _pass(attempt: Attempt, own: LockType) -> Held | None:
    answer = attempt.backend.acquire(
        attempt.key,
        replace(attempt.record, process="", final=False),
        attempt.plan.expire if own.ends_by_time else 0,
        remember_for=attempt.remember_for,
    )
    if not isinstance(answer, Held) or answer.admitted:
        return None
    return None if answer.record.owner == attempt.call.owner else answer


def keep_place(attempt: Attempt, seconds: float) -> Replaced | None:
    """Keep the lock that was reserved for a message which comes back later.

    Arguments:
        seconds: until it does, at most.

    Returns:
        The answer if a later message took its place.
    """
    if not (attempt.plan.lock.two_locks and attempt.reserved):
        return None
    (token,) = attempt.reserved
    answer = attempt.backend.acquire(
        attempt.reservation,
        replace(attempt.record, token=token, state="pending", process="", final=False),
        attempt.plan.expire + seconds,
        take_over_from=attempt.reserved,
        generation=attempt.generation,
    )
    return answer if isinstance(answer, Replaced) else None


def check_store(attempt: Attempt) -> None:
    """Raise ConfigurationError if the publisher reserved the lock in another store.

    One store may have two names. So what counts is whether it knows the lock, which has
    not ended by itself, nor was it taken by an earlier delivery of the message.
    """
    published, call, backend = attempt.published, attempt.call, attempt.backend
    if published is None or not (
        published.token and attempt.plan.lock.taken_at_publish
    ):
        return
    if published.store == backend.fingerprint or published.until < time.time():
        return
    if call.redelivered or call.admitted or call.waited.times:
        return
    if not _is_known(attempt, published):
        raise ConfigurationError(
            f"{call.task.name}[{call.owner}]: its lock was taken at publish in another "
            f"store than {backend.name}, which this worker uses (or has vanished, and "
            "the store has two names): give publishers and workers the same "
            "unique_backend"
        )


def _is_known(attempt: Attempt, published: LockHeader) -> bool:
    """Tell whether the worker's store knows what was reserved for the message.

    Of one that may have been replaced it has forgotten the token, but not that it was.
    """
    backend = attempt.backend
    answer: StoreAnswer | None
    if published.generation is None:
        answer = backend.get(attempt.reservation)
    else:
        # Takes a lock that is free and frees it at once: nothing is changed.
        record = replace(attempt.record, process="", final=False)
        answer = backend.acquire(
            attempt.reservation, record, 0, generation=published.generation
        )
    if isinstance(answer, Held):
        return answer.record.token == published.token
    return isinstance(answer, Replaced)
