"""A lock is reserved for a message, or its policy says what becomes of that."""

from __future__ import annotations

import logging
import math
import time
from functools import partial
from weakref import WeakKeyDictionary

from .backends.base import Backend
from .backends.record import Record
from .backends.steps import Held, Reserved, Stored
from .background import in_background
from .duplicate import Duplicate
from .exceptions import LockStoreError
from .outgoing import Outgoing
from .policies import Cached, Replace, Skip, Wait, ignore
from .results import of_holder, ready
from .ticket import Answered, Ticket, with_token
from .told import tell_duplicate
from .values import UNREADABLE, decode_value

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
    record = outgoing.record()
    try:
        answer = _asked(outgoing, record, pending, stored)
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
    generation = answer.fence if outgoing.replace is not None else None
    published = with_token(outgoing, record, pending, generation)
    return Ticket(published, partial(_give_back, outgoing, record.token, answer))


def _asked(
    outgoing: Outgoing, record: Record, pending: float, stored: bool
) -> Reserved | Held | Stored:
    replace, backend = outgoing.replace, outgoing.backend
    # Each member of a large group would wait for it anew, and is sent all the same.
    if outgoing.bound and time.monotonic() < _away.get(backend, 0.0):
        raise LockStoreError(f"{backend.name}: it did not answer a moment ago")
    try:
        return backend.reserve(
            outgoing.reservation,
            record,
            pending,
            stored=stored and not outgoing.bound,
            replaceable=replace is not None,
            replace=None if replace is None else replace.max_wait or math.inf,
            remember=outgoing.plan.remember,
        )
    except BaseException:
        # Its answer may be lost, not the lock: whoever tries once more would be a
        # duplicate of what was never sent.
        _away[backend] = time.monotonic() + _SPARED
        if not outgoing.sent_anyway:
            release = partial(backend.release, outgoing.reservation, record.token)
            in_background(release)
        raise


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
    tell_duplicate(_duplicate(outgoing), outgoing.id)
    return Answered(ready(task, value))


def _met(outgoing: Outgoing, held: Held) -> Ticket | Answered:
    """Do what the policy says of a message whose key is held."""
    policy, task = outgoing.plan.publish, outgoing.task
    if outgoing.bound:
        # Whoever waits for it learns from the worker what became of it.
        return Ticket(outgoing.published(key=outgoing.key))
    # A value of another task, which shares the namespace, is of no use.
    foreign = isinstance(policy, Cached) and held.record.task != task.name
    if isinstance(policy, Wait) or foreign:
        wait = policy if isinstance(policy, Wait) else Wait()
        outgoing.wait = max(outgoing.wait, wait.next_countdown(0))
        return Ticket(outgoing.published(key=outgoing.key))
    duplicate = _duplicate(outgoing, held)
    tell_duplicate(duplicate, outgoing.id)
    if policy is ignore or isinstance(policy, (Skip, Cached, Replace)):
        ignored = bool(outgoing.options.get("ignore_result"))
        return Answered(of_holder(task, held.record, ignored))
    return Answered(ready(task, policy(duplicate)))


def _duplicate(outgoing: Outgoing, held: Held | None = None) -> Duplicate:
    args, kwargs = outgoing.args, outgoing.kwargs
    return Duplicate.met(
        held, outgoing.task, outgoing.key, args=args, kwargs=kwargs, at="publish"
    )
