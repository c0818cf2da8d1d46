"""Reserves a lock for a message, or applies the policy of a duplicate."""

from __future__ import annotations

import logging
import math
import time
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from celery.exceptions import TaskRevokedError
from celery.result import AsyncResult

from ..backends.base import Backend
from ..backends.record import Record
from ..backends.steps import Held, Reserved, Stored
from ..counting import names
from ..counting.tally import count
from ..exceptions import LockRecordError, LockStoreError
from ..leases.current import held_lease
from ..messages.results import ready_result, result_of_holder
from ..messages.states import store_error, store_value
from ..messages.values import UNUSABLE, usable_value
from ..options.duplicate import (
    DROPPED,
    Duplicate,
    report,
    report_value,
    warn_of_own_duplicate,
)
from ..options.outcomes import apply_policy
from ..options.policies import Cached, Skip, Wait, kind_of, shares_result
from .dead_holders import dead_holders
from .outgoing import NotSent, Outgoing, ToSend
from .sent_to_wait import send_to_wait

logger = logging.getLogger(__name__)

#: Seconds for which members of a canvas do not ask a store that did not answer, and
#: when that time ends for each backend.
_PAUSE = 5.0
_paused_until: WeakKeyDictionary[Backend, float] = WeakKeyDictionary()


def reserve(outgoing: Outgoing, *, accept_value: bool) -> ToSend | NotSent:
    """Reserve the lock of a message.

    Arguments:
        accept_value: whether a stored value answers the call.

    Raises:
        DuplicateTaskError: if the policy raises it.
        LockStoreError: if the store does not answer.
        UniqueKeyError: if the arguments cannot be made a key.
        UniqueLimitError: if they cannot be made a limit.
    """
    outgoing.put_off()
    pending = outgoing.pending
    if not pending:  # the message has expired, and no worker will run it
        return ToSend()
    # Outside of `try`: the user's code may compute the key, and raise.
    key = outgoing.reservation
    record = outgoing.record()
    try:
        answer = reserve_after_dead(outgoing, key, record, pending, accept_value)
    except LockStoreError as error:
        count(outgoing.backend, record.task, names.STORE_ERRORS)
        if not outgoing.sent_without_store:
            raise
        name, task_id = outgoing.task.name, outgoing.id
        logger.warning("%s[%s] may have no lock: %s", name, task_id, error)
        # With the token: the store may have taken the lock, and lost only its answer.
        return outgoing.with_reservation(record, pending)
    if isinstance(answer, Stored):
        return _return_stored(outgoing, answer)
    if isinstance(answer, Held):
        return _handle_duplicate(outgoing, answer)
    outgoing.put_off(answer.since)
    generation = answer.fence if outgoing.replaceable else None
    return outgoing.with_reservation(record, pending, generation)


def reserve_after_dead(
    outgoing: Outgoing, key: str, record: Record, pending: float, accept_value: bool
) -> Reserved | Held | Stored:
    """Reserve the lock; take it from a holder that has died."""
    answer = _ask_store(outgoing, key, record, pending, accept_value)
    dead = list(dead_holders(outgoing, answer)) if isinstance(answer, Held) else []
    for token in dead:  # a worker that meets a dead holder does the same
        outgoing.backend.release(key, token, limit=outgoing.limit)
    if dead:
        answer = _ask_store(outgoing, key, record, pending, accept_value)
    return answer


def _ask_store(
    outgoing: Outgoing, key: str, record: Record, pending: float, accept_value: bool
) -> Reserved | Held | Stored:
    replace, backend, undo = outgoing.replace, outgoing.backend, outgoing.undo
    # Else each member of a large group would wait for the store before it is sent.
    if outgoing.options.bound and time.monotonic() < _paused_until.get(backend, 0.0):
        raise LockStoreError(f"{backend.name}: it did not answer a moment ago")
    # Before asking: the store may take the lock, and its answer may be lost. The next
    # call would be a duplicate of a message that was never sent.
    undo.action = partial(backend.release, key, record.token, limit=outgoing.limit)
    undo.unanswered = True
    try:
        answer = backend.reserve(
            key,
            record,
            pending,
            accept_value=accept_value and not outgoing.options.awaited,
            replaceable=outgoing.replaceable,
            replace_within=None if replace is None else replace.max_wait or math.inf,
            remember_for=outgoing.plan.remember_for,
            limit=outgoing.limit,
        )
    except LockStoreError as error:
        # A store whose record is unreadable did answer.
        if not isinstance(error, LockRecordError):
            _paused_until[backend] = time.monotonic() + _PAUSE
        raise
    if isinstance(answer, Reserved):
        undo.action = partial(_give_back, outgoing, record, answer)
    else:
        undo.action = None
    undo.unanswered = False
    return answer


def _give_back(outgoing: Outgoing, record: Record, reserved: Reserved) -> None:
    """Release the reservation, or return it to the message that it was taken from."""
    backend, key = outgoing.backend, outgoing.reservation
    if reserved.replaced is None:
        backend.release(key, record.token, limit=outgoing.limit)
    else:
        backend.restore(key, record.token, reserved.replaced)


def _return_stored(outgoing: Outgoing, stored: Stored) -> ToSend | NotSent:
    value = usable_value(outgoing.task, stored.value)
    if value is UNUSABLE:
        return reserve(outgoing, accept_value=False)
    report_value(duplicate_of(outgoing), outgoing.id, known=False)
    return _return_value(outgoing, value)


def _return_value(outgoing: Outgoing, value: Any) -> NotSent:
    """Return `value` as the result of a call that is not sent."""
    task, task_id = outgoing.task, outgoing.id
    if isinstance(value, AsyncResult):
        _store_error(
            outgoing, TaskRevokedError(f"answered by the result of {value.id}")
        )
        return NotSent(value)
    if not outgoing.options.ignores_result:
        store_value(task, task_id, value)
    return NotSent(ready_result(task, task_id, value))


def _store_error(outgoing: Outgoing, error: Exception) -> None:
    """Store an error for an id that the caller chose, so that no one waits for ever."""
    if outgoing.options.named and not outgoing.options.ignores_result:
        store_error(outgoing.task, outgoing.id, error)


def _handle_duplicate(outgoing: Outgoing, held: Held) -> ToSend | NotSent:
    """Send a message whose key is held, or apply its policy."""
    policy, options = outgoing.plan.publish_policy, outgoing.options
    if options.bound:
        # The worker applies the policy, and reports the outcome to those who wait.
        return outgoing.without_reservation()
    has_value = held.record.has_value_for(outgoing.task.name)
    if isinstance(policy, Wait) or (isinstance(policy, Cached) and not has_value):
        wait = policy if isinstance(policy, Wait) else Wait()
        return send_to_wait(outgoing, held, wait)
    if not needs_own_outcome(outgoing, held):
        return _refuse(outgoing, held)
    return outgoing.without_reservation()


def needs_own_outcome(outgoing: Outgoing, held: Held) -> bool:
    """Tell whether a duplicate is sent, because its own id must get an outcome.

    Only the worker knows the value of a run that has not ended.
    """
    options = outgoing.options
    if options.awaited:
        return True
    cached = isinstance(outgoing.plan.publish_policy, Cached)
    valued = cached and not options.ignores_result
    return valued and options.named and held.record.owner != outgoing.id


def _refuse(outgoing: Outgoing, held: Held) -> NotSent:
    """Apply the policy to a duplicate that is not sent."""
    if outgoing.plan.lock.successor:
        return _share_result(outgoing, held)
    lease = held_lease(outgoing.key, outgoing.backend)
    if lease is not None and lease.record.token == held.record.token:
        warn_of_own_duplicate(outgoing.task, outgoing.id, lease.owner)
    duplicate, policy = duplicate_of(outgoing, held), outgoing.plan.publish_policy
    if not shares_result(policy):
        return _apply_policy(outgoing, duplicate)
    report(duplicate, outgoing.id, DROPPED, kind_of(policy))
    return _share_result(outgoing, held)


def _share_result(outgoing: Outgoing, held: Held) -> NotSent:
    """Return the holder's result to the caller."""
    policy, owner = outgoing.plan.publish_policy, held.record.owner
    ignored = outgoing.options.ignores_result
    revoked = TaskRevokedError(held.record.refusal)
    if not (held.record.has_result or ignored):
        # A direct call and a hold store none, but the caller gets the id.
        store_error(outgoing.task, owner, revoked)
    own = owner == outgoing.id
    if not own and isinstance(policy, Skip) and outgoing.options.named and not ignored:
        store_value(outgoing.task, outgoing.id, policy.value)
    elif not own:
        _store_error(outgoing, revoked)
    return NotSent(
        result_of_holder(outgoing.task, held.record, own=own, ignored=ignored)
    )


def _apply_policy(outgoing: Outgoing, duplicate: Duplicate) -> NotSent:
    """Return the value that the policy gives, or raise its error to the caller."""
    try:
        value = apply_policy(outgoing.plan.publish_policy, duplicate, outgoing.id)
    except Exception as error:
        if duplicate.owner != outgoing.id:
            _store_error(outgoing, error)
        raise
    return _return_value(outgoing, value)


def duplicate_of(outgoing: Outgoing, held: Held | None = None) -> Duplicate:
    """Return the duplicate that met the lock `held`, or a value if that is None."""
    return Duplicate.of_holder(
        held,
        outgoing.task,
        outgoing.key,
        args=outgoing.args,
        kwargs=outgoing.kwargs,
        at="publish",
        limit=outgoing.limit,
        backend=outgoing.backend,
    )
