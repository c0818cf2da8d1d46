"""A lock is reserved for a message, or its policy says what becomes of that."""

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
from ..exceptions import LockRecordError, LockStoreError
from ..leases.current import held_lease
from ..leases.process import is_gone
from ..messages.results import ready_result, result_of_holder
from ..messages.states import store_error, store_value
from ..messages.values import UNREADABLE, decode_value
from ..options.duplicate import (
    ANSWERED,
    DROPPED,
    Duplicate,
    report,
    warn_of_own_duplicate,
)
from ..options.outcomes import apply_policy
from ..options.policies import Cached, Skip, Wait, shares_result
from .outgoing import Outgoing
from .ticket import Answered, Ticket, with_token

logger = logging.getLogger(__name__)

#: Seconds for which members of a canvas do not ask a store that did not answer, and
#: until when that is so.
_SPARED = 5.0
_away: WeakKeyDictionary[Backend, float] = WeakKeyDictionary()


def reserve(outgoing: Outgoing, *, stored: bool) -> Ticket | Answered:
    """Reserve the lock of a message.

    Arguments:
        stored: whether a value of an earlier run will do.

    Raises:
        DuplicateTaskError: if the policy says so.
        LockStoreError: if the store does not answer.
        UniqueKeyError: if the arguments cannot be made a key.
    """
    outgoing.put_off()
    pending = outgoing.pending
    if not pending:  # it has expired already, and no worker will run it
        return Ticket()
    # By code of the user's, whose errors are not the store's.
    key = outgoing.reservation
    record = outgoing.record()
    try:
        answer = _asked(outgoing, key, record, pending, stored)
    except LockStoreError as error:
        if not outgoing.sent_anyway:
            raise
        name, task_id = outgoing.task.name, outgoing.id
        logger.warning("%s[%s] may have no lock: %s", name, task_id, error)
        # With the token: only the answer may be lost, and the lock wait for it.
        return Ticket(with_token(outgoing, record, pending))
    if isinstance(answer, Stored):
        return _stored(outgoing, answer)
    if isinstance(answer, Held):
        return _met(outgoing, answer)
    outgoing.put_off(answer.since)
    generation = answer.fence if outgoing.replaceable else None
    return Ticket(with_token(outgoing, record, pending, generation))


def _asked(
    outgoing: Outgoing, key: str, record: Record, pending: float, stored: bool
) -> Reserved | Held | Stored:
    answer = _ask(outgoing, key, record, pending, stored)
    if isinstance(answer, Held) and _has_died(answer.record):
        # As a worker does that meets it: nobody else would end what holds the key.
        outgoing.backend.release(key, answer.record.token)
        answer = _ask(outgoing, key, record, pending, stored)
    return answer


def _has_died(record: Record) -> bool:
    """Tell whether a holder has ended for good, without freeing its lock.

    That of a message that comes again is left alone: it is to run.
    """
    return record.final and is_gone(record.process)


def _ask(
    outgoing: Outgoing, key: str, record: Record, pending: float, stored: bool
) -> Reserved | Held | Stored:
    replace, backend = outgoing.replace, outgoing.backend
    # Each member of a large group would wait for it anew, and is sent all the same.
    if outgoing.bound and time.monotonic() < _away.get(backend, 0.0):
        raise LockStoreError(f"{backend.name}: it did not answer a moment ago")
    # Its answer may be lost, not the lock: whoever tries once more would be a duplicate
    # of what was never sent.
    outgoing.unanswered = True
    outgoing.undo = partial(backend.release, key, record.token)
    try:
        answer = backend.reserve(
            key,
            record,
            pending,
            accept_value=stored and not outgoing.awaited,
            replaceable=outgoing.replaceable,
            replace_within=None if replace is None else replace.max_wait or math.inf,
            remember_for=outgoing.plan.remember_for,
        )
    except LockStoreError as error:
        # An unreadable record says nothing of the store.
        if not isinstance(error, LockRecordError):
            _away[backend] = time.monotonic() + _SPARED
        raise
    if isinstance(answer, Reserved):
        outgoing.undo = partial(_give_back, outgoing, record.token, answer)
    else:
        outgoing.undo = None
    outgoing.unanswered = False
    return answer


def _give_back(outgoing: Outgoing, token: str, reserved: Reserved) -> None:
    backend, key = outgoing.backend, outgoing.reservation
    if reserved.replaced is None:
        backend.release(key, token)
    else:
        backend.restore(key, token, reserved.replaced)


def _stored(outgoing: Outgoing, stored: Stored) -> Ticket | Answered:
    task = outgoing.task
    try:
        value = decode_value(task, stored.value)
    except UNREADABLE as error:
        logger.info("%s: a stored value is of no use: %s", task.name, error)
        return reserve(outgoing, stored=False)
    report(_duplicate(outgoing), outgoing.id, ANSWERED)
    return _answered(outgoing, value)


def _answered(outgoing: Outgoing, value: Any) -> Answered:
    """Return the value of a call that is not sent, as a result of its id."""
    task, task_id = outgoing.task, outgoing.id
    if isinstance(value, AsyncResult):
        _settle(outgoing, TaskRevokedError(f"answered by the result of {value.id}"))
        return Answered(value)
    if not outgoing.ignored:
        store_value(task, task_id, value)
    return Answered(ready_result(task, task_id, value))


def _settle(outgoing: Outgoing, error: Exception) -> None:
    """Let nobody wait for ever for an id that the caller chose."""
    if outgoing.named and not outgoing.ignored:
        store_error(outgoing.task, outgoing.id, error)


def _met(outgoing: Outgoing, held: Held) -> Ticket | Answered:
    """Send a message whose key is held, or do what the policy says instead."""
    policy = outgoing.plan.publish_policy
    if outgoing.bound:
        # Whoever waits for it learns from the worker what became of it.
        return Ticket(outgoing.published(key=outgoing.key))
    # A value of another task, which shares the namespace, is of no use.
    foreign = isinstance(policy, Cached) and held.record.task != outgoing.task.name
    if isinstance(policy, Wait) or foreign:
        wait = policy if isinstance(policy, Wait) else Wait()
        outgoing.wait = max(outgoing.wait, wait.next_countdown(0))
    elif not _goes_anyway(outgoing, held):
        return _refused(outgoing, held)
    return Ticket(outgoing.published(key=outgoing.key))


def _refused(outgoing: Outgoing, held: Held) -> Answered:
    """Return the answer to a duplicate that is not sent."""
    if outgoing.plan.lock.successor:
        return _shared(outgoing, held)
    lease = held_lease(outgoing.key, outgoing.backend)
    if lease is not None and lease.record.token == held.record.token:
        warn_of_own_duplicate(outgoing.task, outgoing.id, held.record.owner)
    duplicate = _duplicate(outgoing, held)
    if not shares_result(outgoing.plan.publish_policy):
        return _decided(outgoing, duplicate)
    report(duplicate, outgoing.id, DROPPED)
    return _shared(outgoing, held)


def _goes_anyway(outgoing: Outgoing, held: Held) -> bool:
    """Tell whether a duplicate is sent, because its own id has to get its outcome.

    Of a value that is yet to come only the worker can say what it is.
    """
    if outgoing.awaited:
        return True
    valued = isinstance(outgoing.plan.publish_policy, Cached) and not outgoing.ignored
    return valued and outgoing.named and held.record.owner != outgoing.id


def _shared(outgoing: Outgoing, held: Held) -> Answered:
    """Return the holder's result; the id of the call itself is not sent."""
    policy, owner = outgoing.plan.publish_policy, held.record.owner
    if held.record.state == "called" and not outgoing.ignored:
        # It has no result of its own, and its id is returned.
        store_error(outgoing.task, owner, TaskRevokedError(f"duplicate of {owner}"))
    own = owner == outgoing.id
    if not own:
        if isinstance(policy, Skip) and outgoing.named and not outgoing.ignored:
            store_value(outgoing.task, outgoing.id, policy.value)
        else:
            _settle(outgoing, TaskRevokedError(f"duplicate of {owner}"))
    ignored = outgoing.ignored
    return Answered(
        result_of_holder(outgoing.task, held.record, own=own, ignored=ignored)
    )


def _decided(outgoing: Outgoing, duplicate: Duplicate) -> Answered:
    """Let the policy give a value, or raise to the caller."""
    try:
        value = apply_policy(outgoing.plan.publish_policy, duplicate, outgoing.id)
    except Exception as error:
        if duplicate.owner != outgoing.id:
            _settle(outgoing, error)
        raise
    return _answered(outgoing, value)


def _duplicate(outgoing: Outgoing, held: Held | None = None) -> Duplicate:
    args, kwargs = outgoing.args, outgoing.kwargs
    return Duplicate.of_holder(
        held, outgoing.task, outgoing.key, args=args, kwargs=kwargs, at="publish"
    )
