"""A guarded task is published: its lock is taken first, then the message is sent."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from .backends.steps import Heir
from .calls import lease_of
from .exceptions import LockStoreError
from .messages import HEADER, LOCK_HEADER, published_with
from .publication import Publication
from .reserve import reserve
from .results import marked
from .ticket import Answered, Ticket, with_token

logger = logging.getLogger(__name__)


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
    name, task_id = publication.task.name, publication.id
    try:
        decision = _decide(publication)
    except LockStoreError as error:
        if not (publication.bound or publication.plan.on_unavailable == "run"):
            raise
        logger.warning("%s[%s] is sent without a lock: %s", name, task_id, error)
        decision = _unlocked(publication)
    except Exception:
        if not publication.bound:
            raise
        # The worker meets the same error, and whoever waits for the task hears of it.
        logger.exception("%s[%s] is sent without a lock", name, task_id)
        decision = Ticket()
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
    return reserve(publication, stored=plan.fresh is not None)


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

    return Ticket(with_token(publication, record, pending), undo)
