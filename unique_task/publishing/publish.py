"""A guarded task is published: its lock is taken first, then the message is sent."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from celery.result import EagerResult

from ..backends.steps import Acquired, Heir
from ..exceptions import LockStoreError
from ..leases.background import in_background
from ..leases.current import held_lease, is_in_body, lease_of, unused_reservation
from ..messages.results import HolderResult, LaterHolderResult, LaterResult
from ..messages.stamp import LOCK_HEADER, MESSAGE_HEADER, stamping
from ..options.lock_types import LOCK_TYPES
from ..options.policies import Cached, Wait
from .outgoing import Outgoing
from .reserve import reserve
from .successor import send_after
from .ticket import Answered, Ticket, with_token

logger = logging.getLogger(__name__)


def publish(outgoing: Outgoing, send: Callable[..., Any]) -> Any:
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
        return _published(outgoing, send)
    except BaseException:
        _undo(outgoing)
        raise


def _published(outgoing: Outgoing, send: Callable[..., Any]) -> Any:
    try:
        decision = _decide(outgoing)
    except Exception:
        if not outgoing.bound:
            raise
        # The worker meets the same error, and whoever waits for the task hears of it.
        name, task_id = outgoing.task.name, outgoing.id
        logger.exception("%s[%s] is sent without a lock", name, task_id)
        _undo(outgoing)
        return _sent(outgoing, Ticket(), send)
    if isinstance(decision, Answered):
        result = decision.result
        result.duplicate = True
    else:
        result = _sent(outgoing, decision, send)
    return _not_waited_for_inside(outgoing, result)


def _not_waited_for_inside(outgoing: Outgoing, result: Any) -> Any:
    """Have get() tell a body that the call which it waits for waits for the body."""
    if not is_in_body() or isinstance(result, EagerResult):
        return result
    if isinstance(outgoing.plan.run_policy, (Wait, Cached)):
        shared = isinstance(result, HolderResult)
        result.__class__ = LaterHolderResult if shared else LaterResult
        result.held = lambda: _is_held_here(outgoing)
    return result


def _is_held_here(outgoing: Outgoing) -> bool:
    try:
        return held_lease(outgoing.key) is not None
    except Exception:  # an error of a key is the worker's to tell
        return False


def _sent(outgoing: Outgoing, ticket: Ticket, send: Callable[..., Any]) -> Any:
    headers: dict[str, Any] = {MESSAGE_HEADER: outgoing.message}
    if ticket.published is not None:
        headers[LOCK_HEADER] = ticket.published.header()
    with stamping(outgoing.id, headers):
        result = send(**outgoing.options)
    result.duplicate = False
    return result


def _undo(outgoing: Outgoing) -> None:
    """Free what was, or may have been, taken for a message that is not sent."""
    undo, outgoing.undo = outgoing.undo, None
    if undo is None:
        return
    if outgoing.unanswered:
        in_background(outgoing.backend, undo)
        return
    try:
        undo()
    except BaseException as error:
        in_background(outgoing.backend, undo)
        if not isinstance(error, LockStoreError):
            raise
        name, task_id = outgoing.task.name, outgoing.id
        logger.warning("%s[%s] cannot free its lock yet: %s", name, task_id, error)


def _decide(outgoing: Outgoing) -> Ticket | Answered:
    plan, said = outgoing.plan, outgoing.said
    settings = outgoing.settings
    if not (settings.enabled and said.enabled and plan.lock.taken_at_publish):
        return _unlocked(outgoing)
    if not settings.headers:  # its worker takes the lock
        return Ticket()
    if not outgoing.fits:
        return _unlocked(outgoing)
    if outgoing.again:
        return _handed_on(outgoing)
    if plan.lock.successor:
        return send_after(outgoing)
    return reserve(outgoing, stored=plan.value_ttl is not None)


def _unlocked(outgoing: Outgoing) -> Ticket:
    """Send the message without a lock; what the call says of its guard goes along."""
    said = outgoing.said
    own_key = outgoing.key if said.has_key else None
    return Ticket(outgoing.published(key=own_key) if said else None)


def _handed_on(outgoing: Outgoing) -> Ticket:
    """Let the next try of a task that is under way have its lock, once that ends."""
    lease = lease_of(outgoing.task)
    if lease is None and outgoing.plan.lock.held_to_end:
        return _passed_on(outgoing)
    if (
        lease is None
        or (lease.owner, lease.key) != (outgoing.id, outgoing.key)
        or not outgoing.plan.lock.held_to_end
    ):
        return Ticket(outgoing.published(key=outgoing.key))
    record, pending = outgoing.record(), outgoing.pending
    before, lease.heir = lease.heir, Heir(record, pending)

    def undo() -> None:
        lease.heir = before

    outgoing.undo = undo
    return Ticket(with_token(outgoing, record, pending))


def _passed_on(outgoing: Outgoing) -> Ticket:
    """Let the next try have what was reserved for this one, which did not use it.

    As when ``before_start`` retries the task: its guard is not asked.
    """
    plain = Ticket(outgoing.published(key=outgoing.key))
    reserved = unused_reservation(outgoing.task, outgoing.id)
    if (
        reserved is None
        or reserved.key != outgoing.key
        or reserved.lock not in LOCK_TYPES
        or reserved.generation
    ):
        return plain
    assert reserved.token is not None
    record, pending = outgoing.record(), outgoing.pending
    backend, key = outgoing.backend, outgoing.reservation
    outgoing.undo = partial(backend.release, key, record.token)
    try:
        answer = backend.acquire(key, record, pending, take_over_from=(reserved.token,))
    except LockStoreError as error:
        logger.warning("%s may lose its lock: %s", outgoing.id, error)
    else:
        if not isinstance(answer, Acquired):
            outgoing.undo = None
            return plain
    return Ticket(with_token(outgoing, record, pending))
