"""A guarded task is published: its lock is taken first, then the message is sent."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from .backends.base import Backend
from .backends.record import Record
from .backends.steps import Heir, Held, Reserved, Stored
from .calls import lease_of
from .duplicate import Duplicate
from .exceptions import LockStoreError
from .messages import HEADER, LOCK_HEADER, published_with
from .policies import Cached, Replace, Skip, Wait, ignore
from .publication import Publication
from .published import Published
from .results import marked, of_holder, ready
from .told import tell_duplicate
from .values import UNREADABLE, decode_value

logger = logging.getLogger(__name__)


@dataclass
class Answered:
    """Nothing is to be sent; this is what the call returns."""

    result: Any


@dataclass
class Ticket:
    """The message is to be sent.

    Attributes:
        published: what it says of its lock, if there is something to say.
        undo: gives up what was taken for it, if it cannot be sent.
    """

    published: Published | None = None
    undo: Callable[[], object] | None = None


def publish(publication: Publication, send: Callable[..., Any]) -> Any:
    """Take the lock and send the message, or do what the policy says.

    Arguments:
        send: sends it, given the options of ``apply_async``.

    Returns:
        The result of the task; that of the holder if nothing was sent.

    Raises:
        DuplicateTaskError: if the policy says so.
        LockStoreError: if the store does not answer, unless the settings say "run".
        UniqueKeyError: if the arguments cannot be made a key.
        ConfigurationError: if what the call says of its guard makes no sense.
    """
    try:
        decision = _decide(publication)
    except Exception as error:
        unavailable = isinstance(error, LockStoreError)
        run = unavailable and publication.plan.on_unavailable == "run"
        if not (publication.bound or run):
            raise
        name, task_id = publication.task.name, publication.id
        logger.warning("%s[%s] is sent without a lock: %s", name, task_id, error)
        decision = _unlocked(publication) if unavailable else Ticket()
    if isinstance(decision, Answered):
        return marked(decision.result, duplicate=True)
    return marked(_sent(publication, decision, send), duplicate=False)


def _sent(publication: Publication, ticket: Ticket, send: Callable[..., Any]) -> Any:
    headers: dict[str, Any] = {HEADER: publication.message}
    if ticket.published is not None:
        headers[LOCK_HEADER] = ticket.published.header()
    try:
        with published_with(publication.id, headers):
            return send(**publication.options)
    except BaseException:
        if ticket.undo is not None:
            _undo(publication, ticket.undo)
        raise


def _undo(publication: Publication, undo: Callable[[], object]) -> None:
    try:
        undo()
    except LockStoreError as error:
        name, task_id = publication.task.name, publication.id
        logger.warning("%s[%s] leaves its lock to end: %s", name, task_id, error)


def _decide(publication: Publication) -> Ticket | Answered:
    plan, said = publication.plan, publication.said
    if not (publication.settings.enabled and said.enabled and plan.lock.at_publish):
        return _unlocked(publication)
    if publication.again:
        return _handed_on(publication)
    if isinstance(plan.publish, Replace) and not publication.wait:
        publication.wait = plan.publish.countdown or 0
    return _reserve(publication, stored=plan.fresh is not None)


def _unlocked(publication: Publication) -> Ticket:
    """Send the message without a lock; what the call says of its guard goes along."""
    said = publication.said
    own_key = publication.key if said.has_key else None
    return Ticket(publication.published(key=own_key) if said else None)


def _handed_on(publication: Publication) -> Ticket:
    """Let the next try of a task that is under way have its lock, once that ends."""
    lease = lease_of(publication.task)
    ticket = Ticket(publication.published(key=publication.key))
    if (
        lease is None
        or (lease.owner, lease.key) != (publication.id, publication.key)
        or not publication.plan.lock.whole
    ):
        return ticket
    record, pending = publication.record(), publication.pending
    before, lease.heir = lease.heir, Heir(record, pending)

    def undo() -> None:
        lease.heir = before

    return Ticket(_with_token(publication, record, pending), undo)


def _with_token(
    publication: Publication,
    record: Record,
    pending: float,
    generation: int | None = None,
) -> Published:
    return publication.published(
        key=publication.key,
        token=record.token,
        generation=generation,
        until=time.time() + pending,
        store=publication.backend.fingerprint,
    )


def _reserve(publication: Publication, *, stored: bool) -> Ticket | Answered:
    plan, backend = publication.plan, publication.backend
    key = plan.lock.reservation(publication.key)
    policy = None if publication.bound else plan.publish
    replace = policy if isinstance(policy, Replace) else None
    if replace is not None:
        publication.wait_at_most(replace.max_wait)
    pending = publication.pending
    if not pending:  # it has expired already, and no worker will run it
        return Ticket()
    record = publication.record()
    answer = backend.reserve(
        key,
        record,
        pending,
        stored=stored and policy is not None,
        replaceable=replace is not None,
        replace=None if replace is None else replace.max_wait or math.inf,
        remember=pending + plan.remember,
    )
    if isinstance(answer, Stored):
        return _stored(publication, answer)
    if isinstance(answer, Held):
        return _met(publication, answer)
    if replace is not None and replace.max_wait is not None:
        # However often it is put off, it does not wait longer than that in all.
        publication.wait_at_most(max(0.0, replace.max_wait - answer.since))
    generation = answer.fence if replace is not None else None
    published = _with_token(publication, record, pending, generation)
    return Ticket(published, partial(_give_back, backend, key, record.token, answer))


def _give_back(backend: Backend, key: str, token: str, reserved: Reserved) -> None:
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
        return _reserve(publication, stored=False)
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
