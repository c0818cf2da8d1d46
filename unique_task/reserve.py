"""A lock is reserved for a message, or its policy says what becomes of that."""

from __future__ import annotations

import logging
import math
from contextlib import suppress
from functools import partial

from .backends.record import Record
from .backends.steps import Held, Reserved, Stored
from .duplicate import Duplicate
from .exceptions import LockStoreError
from .outgoing import Outgoing
from .policies import Cached, Replace, Skip, Wait, ignore
from .results import of_holder, ready
from .ticket import Answered, Ticket, with_token
from .told import tell_duplicate
from .values import UNREADABLE, decode_value

logger = logging.getLogger(__name__)


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
    answer = _asked(outgoing, record, pending, stored)
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
    except LockStoreError:
        # Its answer may be lost, not the lock: whoever tries once more would be a
        # duplicate of what was never sent.
        with suppress(LockStoreError):
            backend.release(outgoing.reservation, record.token)
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
    if isinstance(policy, Wait):
        outgoing.wait = max(outgoing.wait, policy.next_countdown(0))
        return Ticket(outgoing.published(key=outgoing.key))
    duplicate = _duplicate(outgoing, held)
    tell_duplicate(duplicate, outgoing.id)
    if policy is ignore or isinstance(policy, (Skip, Cached, Replace)):
        return Answered(of_holder(task, held.record))
    return Answered(ready(task, policy(duplicate)))


def _duplicate(outgoing: Outgoing, held: Held | None = None) -> Duplicate:
    args, kwargs = outgoing.args, outgoing.kwargs
    return Duplicate.met(
        held, outgoing.task, outgoing.key, args=args, kwargs=kwargs, at="publish"
    )
