"""One guarded call: acquire the lock, run the body under it, release it at the end."""

from __future__ import annotations

import logging
from enum import Enum, auto
from functools import partial
from typing import Any
from weakref import ref

from celery.exceptions import Ignore, Reject

from ..backends.record import Record
from ..exceptions import LockStoreError
from ..keys.arguments import Misfit
from ..leases.background import in_background
from ..leases.current import (
    RELEASES_AFTER_AUTORETRY,
    held_lease,
    progress_at,
    run_under,
)
from ..leases.held_lease import HeldLease
from ..leases.lease import Lease, Unguarded
from ..leases.process import this_process
from ..messages.states import DeliveryOver, store_started
from ..messages.values import encode_value
from ..options.plan import CallPlan
from ..options.shadow import goes_on_in_shadow
from ..options.task_name import name_of
from ..options.task_spec import TaskSpec
from .acquire import acquire
from .attempt import Attempt
from .call import Call
from .not_acquired import Answer
from .redelivery import when_outcome_stored
from .reservation import release_reservation_of
from .shadow import lease_in_shadow

logger = logging.getLogger(__name__)


def run_guarded(spec: TaskSpec, call: Call) -> Any:
    """Run the body of `call` under its lock, or apply the policy to a duplicate.

    Arguments:
        spec: of the task.

    Raises:
        DuplicateTaskError: if the policy raises it.
        LockStoreError: if the store does not answer, and the setting is "raise" or the
            call came from no queue.
        UniqueKeyError: if the arguments cannot be made a key.
        UniqueLimitError: if they cannot be made a limit.
        ConfigurationError: if the lock was taken at publish in another store.
        Exception: what the body raises; Celery's Ignore, Retry and Reject.
    """
    try:
        lease_or_answer = _enter(spec, call)
        # Not isinstance(..., Lease), which is slow: that class is abstract.
        if lease_or_answer is not None and not isinstance(lease_or_answer, Answer):
            return _run(call, lease_or_answer)
    finally:
        # A signal may break off the call anywhere, before a lease holds the lock.
        call.release_if_unused()
    return call.body() if lease_or_answer is None else lease_or_answer.value


def _enter(spec: TaskSpec, call: Call) -> Lease | Answer | None:
    """Call :func:`_lease_or_answer`; note that its errors are those of the guard."""
    try:
        return _lease_or_answer(spec, call)
    except Ignore as ignore:
        # Of a policy of the user's. Celery copies each frame of the traceback, twice.
        raise ignore.with_traceback(None) from None
    except Exception as error:
        if goes_on_in_shadow(call.task.app, call.task.name, error):
            call.release_if_unused()
            return Unguarded(call.task, call.request, call.owner)
        if call.request is not None:
            progress_at(call.request).guard_error = id(error)
        raise


def _lease_or_answer(spec: TaskSpec, call: Call) -> Lease | Answer | None:
    """Return a lease, an answer, or None for a body that needs no lock.

    A body needs none inside of an attempt that holds its key, or if its arguments do
    not fit it.
    """
    try:
        call_plan = spec.call_plan(
            call.task, call.published, call.args, call.kwargs, eager=call.eager
        )
    except Misfit:  # Python raises its error when the body is called
        _note_started(call)
        return None
    if call_plan is None:
        return Unguarded(call.task, call.request, call.owner)
    attempt = _attempt(call, call_plan)
    if not call_plan.guarded:
        attempt.note_reservation_handled()
        release = partial(release_reservation_of, attempt)
        return Unguarded(call.task, call.request, call.owner, release)
    if held_lease(attempt.key, attempt.backend) is not None:
        return None
    return lease_in_shadow(attempt) if attempt.shadow else _acquire(attempt)


def _attempt(call: Call, call_plan: CallPlan) -> Attempt:
    token, state = call.new_token(), "running" if call.queued else "called"
    record = Record(token, name_of(call.task), call.worker, state, this_process())
    plan, backend = call_plan.plan, call_plan.backend
    key, published, limit = call_plan.key, call_plan.published, call_plan.limit
    shadow = call_plan.shadow
    return Attempt(call, plan, backend, key, record, published, limit, shadow)


def _acquire(attempt: Attempt) -> Lease | Answer:
    """Acquire the lock; where the attempt ends here, deal with its reservation."""
    try:
        lease_or_answer = acquire(attempt)
    except DeliveryOver:  # the reservation goes with the message that comes back
        attempt.note_reservation_handled()
        raise
    except (LockStoreError, Reject):  # see :func:`.release_after_run`
        raise
    except Exception:
        _end_without_run(attempt)
        raise
    if isinstance(lease_or_answer, Answer):
        _end_without_run(attempt)
    else:
        attempt.note_reservation_handled()
    return lease_or_answer


def _end_without_run(attempt: Attempt) -> None:
    """End an attempt that the guard has answered in place of the body.

    If its message is delivered again, the call is no duplicate any more and would run.
    So the store keeps a mark that the attempt has finished.
    """
    release_reservation_of(attempt)
    attempt.note_reservation_handled()
    if attempt.finished_for:
        finish = partial(_mark_finished, attempt)
        when_outcome_stored(attempt.call.request, finish)


def _mark_finished(attempt: Attempt, finished: bool) -> None:
    if not finished:
        return
    mark = partial(
        attempt.backend.release,
        *(attempt.lock, attempt.record.token),
        finished_for=attempt.finished_for,
        limit=attempt.run_limit,
    )
    try:
        mark()
    except LockStoreError as error:
        owner = attempt.call.owner
        logger.warning("%s may run if it comes again: %s", owner, error)
        in_background(attempt.backend, mark)


class End(Enum):
    """How a body ended."""

    RETURNED = auto()
    RAISED = auto()
    #: By a signal or a time limit, as when a worker shuts down.
    BROKEN_OFF = auto()


def _run(call: Call, lease: Lease) -> Any:
    value, end = None, End.BROKEN_OFF
    try:
        call.release_unused = None  # from here on, the lease holds the lock
        if isinstance(lease, HeldLease) and lease.held_to_end and call.queued:
            progress_at(call.request).lease = ref(lease)
        result = run_under(lease, lambda: _body(call, lease))
        end = End.RETURNED
        if lease.value_ttl is not None:
            value = encode_value(call.task, result)
        return result
    except Exception:
        end = End.RAISED
        raise
    finally:
        _end_run(call, lease, value, end)


def _body(call: Call, lease: Lease) -> Any:
    # Receivers and the result backend may be slow: by now the lock is renewed.
    lease.send_acquired()
    _note_started(call)
    return call.body()


def _note_started(call: Call) -> None:
    if call.queued:
        store_started(call.task, call.request)


def _end_run(call: Call, lease: Lease, value: bytes | None, end: End) -> None:
    """End an attempt whose body has ended: release its lock, then mark it finished.

    The lock is released before a caller can see the outcome: that caller may run the
    next call at once. If ``autoretry_for`` may retry the task, the release waits for
    that: the next try inherits the lock.

    Arguments:
        value: of the run, for duplicates.
    """
    if end is End.RAISED and lease.held_to_end and _may_autoretry(call):
        release = partial(_release, call, lease, value, end)
        progress_at(call.request).after_autoretry = release
    else:
        _release(call, lease, value, end)


def _may_autoretry(call: Call) -> bool:
    return call.queued and hasattr(call.task.run, RELEASES_AFTER_AUTORETRY)


def _release(call: Call, lease: Lease, value: bytes | None, end: End) -> None:
    """Release the lock; the attempt is leaving until its outcome is stored.

    A second delivery of the message waits meanwhile; see :class:`.Departure`.
    """
    lease.end(value, leaves=end is not End.BROKEN_OFF)
    departure = lease.departure
    if departure is None:
        return
    if end is End.BROKEN_OFF:  # the body had released the lock itself
        departure.end(finished=False)
    else:
        when_outcome_stored(call.request, departure.end)
