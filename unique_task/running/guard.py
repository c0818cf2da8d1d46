"""One guarded call: go in, run the body under its lock, and free it on the way out."""

from __future__ import annotations

from typing import Any

from celery.exceptions import Ignore, Reject

from ..backends.record import Record
from ..exceptions import LockStoreError
from ..keys.arguments import Misfit
from ..leases.current import held_lease, run_under
from ..leases.lease import Lease
from ..leases.process import this_process
from ..leases.unguarded import Unguarded
from ..messages.requeue import LeftAlone
from ..messages.started import note_started
from ..messages.values import encode_value
from ..options.task_spec import CallPlan, TaskSpec, name_of
from .acquire import admit
from .attempt import Attempt
from .call import Call
from .not_acquired import Answer
from .release import End, leave, settle


def run_guarded(spec: TaskSpec, call: Call) -> Any:
    """Run the body of `call` under its lock, or do what the policy says.

    Arguments:
        spec: of the task.

    Raises:
        DuplicateTaskError: if the policy says so.
        LockStoreError: if the store does not answer, and the settings say so or the
            call has no queue to come back from.
        UniqueKeyError: if the arguments cannot be made a key.
        ConfigurationError: if the lock was taken at publish in another store.
        Exception: what the body raises; Celery's Ignore, Retry and Reject.
    """
    try:
        entry = _entered(spec, call)
        if isinstance(entry, Lease):
            return _run(call, entry)
    finally:
        # Wherever the call broke off, as by a signal: no body ran under its lock.
        call.break_off()
    return call.body() if entry is None else entry.value


def _entered(spec: TaskSpec, call: Call) -> Lease | Answer | None:
    try:
        return _enter(spec, call)
    except Ignore as verdict:
        # Celery copies every frame of the traceback, twice, and throws them away.
        raise verdict.with_traceback(None) from None
    except Exception as verdict:
        call.note_verdict(verdict)
        raise


def _enter(spec: TaskSpec, call: Call) -> Lease | Answer | None:
    """Return a lease, an answer, or None for a body that needs no lock.

    That is one inside of its own attempt, or one that fails before it begins.
    """
    task = call.task
    try:
        call_plan = spec.call_plan(
            task, call.published, call.args, call.kwargs, eager=call.eager
        )
    except Misfit:  # the body says what is wrong, in the function's own words
        _note_started(call)
        return None
    if call_plan is None:
        return Unguarded(task, call.request, call.owner)
    attempt = _attempt(call, call_plan)
    if not call_plan.guarded:
        attempt.note_settled()
        return Unguarded(task, call.request, call.owner, attempt.give_up)
    if held_lease(attempt.key, attempt.backend) is not None:
        return None
    return _admitted(attempt)


def _admitted(attempt: Attempt) -> Lease | Answer:
    try:
        entry = admit(attempt)
    except LeftAlone:  # its lock goes with the message that comes back
        attempt.note_settled()
        raise
    except (LockStoreError, Reject):
        raise
    except Exception:
        _settle(attempt)
        raise
    if isinstance(entry, Answer):
        _settle(attempt)
    attempt.note_settled()
    return entry


def _settle(attempt: Attempt) -> None:
    attempt.give_up()
    attempt.note_settled()
    if attempt.remember:
        settle(attempt.call, attempt.finish)


def _run(call: Call, lease: Lease) -> Any:
    stored, end = None, End.BROKEN_OFF
    try:
        call.abandon = None  # from here on, the lease is in charge
        if lease.whole and call.queued:
            call.note_lease(lease)
        value = run_under(lease, lambda: _body(call, lease))
        end = End.RETURNED
        if lease.fresh is not None:
            stored = encode_value(call.task, value)
        return value
    except Exception:
        end = End.RAISED
        raise
    finally:
        leave(call, lease, stored, end)


def _body(call: Call, lease: Lease) -> Any:
    # Receivers and the store of states may take their time: by now the lock is
    # renewed.
    lease.announce()
    _note_started(call)
    return call.body()


def _note_started(call: Call) -> None:
    if call.queued:
        note_started(call.task, call.request)


def _attempt(call: Call, call_plan: CallPlan) -> Attempt:
    token, state = str(call.token()), "running" if call.queued else "called"
    record = Record(token, name_of(call.task), call.worker, state, this_process())
    plan, backend = call_plan.plan, call_plan.backend
    attempt = Attempt(call, plan, backend, call_plan.key, record, call_plan.published)
    record.final = not attempt.remember
    return attempt
