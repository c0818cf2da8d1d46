"""Takes the lock for a run, or finds out what keeps the body from running."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..backends.steps import Acquired, Finished, Held, Replaced, StoreAnswer, Stored
from ..exceptions import ConfigurationError, LockStoreError
from ..leases.held_lease import HeldLease
from ..leases.lease import Lease
from ..leases.process import is_gone
from ..leases.shadow_lease import ShadowLease
from ..messages.lock_header import LockHeader
from ..messages.values import UNUSABLE, usable_value
from .attempt import Attempt
from .not_acquired import (
    OBSTACLES,
    Answer,
    Obstacle,
    is_same_message,
    not_acquired,
    without_store,
)
from .reservation import record_of_no_process, start_reservation
from .several import among_holders

_PAUSE = 0.05


def acquire(attempt: Attempt) -> Lease | Answer:
    """Take the lock of `attempt`, or apply the policy to a duplicate.

    Returns:
        The lease to run under, or the answer of a call that does not run.

    Raises:
        LockStoreError, DuplicateTaskError: see :func:`.run_guarded`.
        celery.exceptions.Ignore, Reject: if the call ends here, or comes back.
    """
    try:
        result = lease_or_obstacle(attempt)
        if not isinstance(result, OBSTACLES):
            return result
        answer = not_acquired(attempt, result)
    except LockStoreError as error:
        return without_store(attempt, error)
    # Outside: an error in a policy, which may publish, is not about this store.
    return answer if isinstance(answer, Answer) else answer.apply_policy()


def lease_or_obstacle(attempt: Attempt) -> HeldLease | Obstacle:
    """Take the lock of `attempt`, or return what keeps its body from running.

    Raises:
        LockStoreError: if the store does not answer.
        ConfigurationError: if the publisher reserved the lock in another store.
    """
    if attempt.published is not None:
        check_store(attempt, attempt.published)
    answer, asked_at = _take(attempt, accept_value=_accepts_value(attempt))
    if isinstance(answer, Stored):
        value = usable_value(attempt.call.task, answer.value)
        if value is not UNUSABLE:
            return Answer(value)
        answer, asked_at = _take(attempt, accept_value=False)
    assert not isinstance(answer, Stored)
    if not isinstance(answer, Acquired):
        return answer
    if attempt.plan.lock.two_locks and not attempt.call.admitted:
        obstacle = _start_reservation(attempt)
        if obstacle is not None:
            return obstacle
    attempt.count_waited()
    return _lease(attempt, answer.fence, asked_at)


def _accepts_value(attempt: Attempt) -> bool:
    """Tell whether a stored value answers the call, so that its body need not run.

    A task that got the lock before runs to its end in any case. A successor has to run
    after the call whose value is stored.
    """
    call, plan = attempt.call, attempt.plan
    return plan.value_ttl is not None and not (call.admitted or plan.lock.successor)


def _start_reservation(attempt: Attempt) -> Held | Replaced | None:
    """Start the reservation; release the lock of the run if the body may not run."""
    try:
        obstacle = start_reservation(attempt)
    except LockStoreError:
        # The message comes back later. Until then no run needs the lock.
        attempt.call.release_if_unused()
        raise
    if obstacle is not None:
        lock, token = attempt.lock, attempt.record.token
        attempt.backend.release(lock, token, limit=attempt.run_limit)
        attempt.call.release_unused = None
    return obstacle


def _lease(attempt: Attempt, fence: int | None, asked_at: float) -> HeldLease:
    call, plan = attempt.call, attempt.plan
    kind = ShadowLease if attempt.shadow else HeldLease
    # By position: names would cost as much time as the rest of this.
    return kind(
        call.task,
        call.request,
        call.owner,
        attempt.backend,
        attempt.key,
        attempt.lock,
        attempt.record,
        fence if attempt.backend.promises.fenced else None,
        plan.lease,
        asked_at,
        plan.renew,
        plan.lock.held_to_end,
        plan.value_ttl,
        attempt.finished_for,
        attempt.remember_for,
        attempt.run_limit,
    )


def _take(attempt: Attempt, *, accept_value: bool) -> tuple[StoreAnswer, float]:
    """Return the store's answer, and when the attempt asked, by the monotonic clock."""
    remember_for, take_over_from = attempt.remember_for, attempt.given_up
    began = asked_at = time.monotonic()
    while True:
        answer = _ask(attempt, accept_value, remember_for, take_over_from)
        if attempt.run_limit > 1:
            answer = among_holders(attempt, answer)
        if isinstance(answer, Acquired):
            return answer, asked_at
        dead = _dead_holder(answer)
        if isinstance(answer, Finished) and not attempt.call.has_known_message:
            # Another message of the same id has finished.
            remember_for = 0.0
        elif dead and dead not in take_over_from:
            take_over_from = *take_over_from, dead
        elif asked_at <= began + attempt.patience and (
            _is_earlier_try(attempt, answer) or _gives_up(answer, take_over_from)
        ):
            time.sleep(_PAUSE)
        else:
            return answer, asked_at
        asked_at = time.monotonic()


def _ask(
    attempt: Attempt,
    accept_value: bool,
    remember_for: float,
    take_over_from: Sequence[str],
) -> StoreAnswer:
    """Ask the store for the lock of the run."""
    call, plan = attempt.call, attempt.plan
    # Before asking: the store may give the lock, and its answer may be lost.
    call.release_unused = attempt.release_unused
    answer = attempt.backend.acquire(
        attempt.lock,
        attempt.record,
        plan.lease,
        accept_value=accept_value,
        remember_for=remember_for,
        take_over_from=take_over_from,
        generation=attempt.generation if plan.lock.held_to_end else None,
        limit=attempt.run_limit,
    )
    if not isinstance(answer, Acquired):
        call.release_unused = None
    return answer


def _gives_up(answer: StoreAnswer, take_over_from: Sequence[str]) -> bool:
    """Tell whether the holder gives the lock up to the attempt, but came after it.

    Where several may hold a lock, a retry may be let in beside the try that sent it::

        one try   sends the next one                      ends: hands the lock on
        the next                      is let in beside it                         looks
    """
    return isinstance(answer, Held) and answer.record.token in take_over_from


def _dead_holder(answer: StoreAnswer) -> str | None:
    """Return the token that holds the lock, if its process is gone."""
    if isinstance(answer, Held) and is_gone(answer.record.process):
        return answer.record.token
    return None


def _is_earlier_try(attempt: Attempt, answer: StoreAnswer) -> bool:
    """Tell whether the holder is the try that sent this call and is about to end.

    A retry, or the task that replaces another one, is sent before that has ended::

        one try   sends the next one, raises Retry      releases the lock
        the next                        arrives, finds the lock

    A second delivery of the holder's own message does not wait here.
    """
    call = attempt.call
    if not (isinstance(answer, Held) and call.queued):
        return False
    return answer.record.owner == call.owner and not is_same_message(attempt, answer)


def check_store(attempt: Attempt, published: LockHeader) -> None:
    """Raise ConfigurationError if the publisher reserved the lock in another store.

    One store may have two names. So the worker's store is asked whether it knows the
    lock, unless that has ended or an earlier delivery of the message took it.
    """
    call, backend = attempt.call, attempt.backend
    if not (published.token and attempt.plan.lock.taken_at_publish):
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
    """Tell whether the worker's store knows the reservation of the message.

    If a later message has replaced this one, the store knows that and not the token.
    """
    backend = attempt.backend
    if published.generation is None:
        holders = backend.holders(attempt.reservation)
        return any(held.record.token == published.token for held in holders)
    # It takes a free lock and releases it at once, which changes nothing.
    record, generation = record_of_no_process(attempt), published.generation
    answer = backend.acquire(attempt.reservation, record, 0, generation=generation)
    if isinstance(answer, Held):
        return answer.record.token == published.token
    return isinstance(answer, Replaced)
