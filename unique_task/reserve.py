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
from .policies import Cached, Replace, Skip, Wait, ignore
from .publication import Publication
from .results import of_holder, ready
from .ticket import Answered, Ticket, with_token
from .told import tell_duplicate
from .values import UNREADABLE, decode_value

logger = logging.getLogger(__name__)


def reserve(publication: Publication, *, stored: bool) -> Ticket | Answered:
    """Reserve the lock of a message.

    Arguments:
        stored: whether a value of an earlier run will do.

    Raises:
        DuplicateTaskError: if the policy says so.
        LockStoreError: if the store does not answer.
        UniqueKeyError: if the arguments cannot be made a key.
    """
    publication.put_off()
    pending = publication.pending
    if not pending:  # it has expired already, and no worker will run it
        return Ticket()
    record = publication.record()
    answer = _asked(publication, record, pending, stored)
    if isinstance(answer, Stored):
        return _stored(publication, answer)
    if isinstance(answer, Held):
        return _met(publication, answer)
    publication.put_off(answer.since)
    generation = answer.fence if publication.replace is not None else None
    published = with_token(publication, record, pending, generation)
    return Ticket(published, partial(_give_back, publication, record.token, answer))


def _asked(
    publication: Publication, record: Record, pending: float, stored: bool
) -> Reserved | Held | Stored:
    replace, backend = publication.replace, publication.backend
    try:
        return backend.reserve(
            publication.reservation,
            record,
            pending,
            stored=stored and not publication.bound,
            replaceable=replace is not None,
            replace=None if replace is None else replace.max_wait or math.inf,
            remember=publication.plan.remember,
        )
    except LockStoreError:
        # Its answer may be lost, not the lock: whoever tries once more would be a
        # duplicate of what was never sent.
        with suppress(LockStoreError):
            backend.release(publication.reservation, record.token)
        raise


def _give_back(publication: Publication, token: str, reserved: Reserved) -> None:
    backend, key = publication.backend, publication.reservation
    if reserved.replaced is None:
        backend.release(key, token)
    else:
        backend.restore(key, token, reserved.replaced)


def _stored(publication: Publication, stored: Stored) -> Ticket | Answered:
    task = publication.task
    try:
        value = decode_value(task, stored.value)
    except UNREADABLE as error:
        logger.info("%s: a stored value is of no use: %s", task.name, error)
        return reserve(publication, stored=False)
    tell_duplicate(_duplicate(publication), publication.id)
    return Answered(ready(task, value))


def _met(publication: Publication, held: Held) -> Ticket | Answered:
    """Do what the policy says of a message whose key is held."""
    policy, task = publication.plan.publish, publication.task
    if publication.bound:
        # Whoever waits for it learns from the worker what became of it.
        return Ticket(publication.published(key=publication.key))
    if isinstance(policy, Wait):
        publication.wait = max(publication.wait, policy.next_countdown(0))
        return Ticket(publication.published(key=publication.key))
    duplicate = _duplicate(publication, held)
    tell_duplicate(duplicate, publication.id)
    if policy is ignore or isinstance(policy, (Skip, Cached, Replace)):
        return Answered(of_holder(task, held.record))
    return Answered(ready(task, policy(duplicate)))


def _duplicate(publication: Publication, held: Held | None = None) -> Duplicate:
    return Duplicate(
        publication.task,
        publication.args,
        publication.kwargs,
        publication.key,
        held.record.owner if held else None,
        held.remaining if held else None,
        at="publish",
    )
