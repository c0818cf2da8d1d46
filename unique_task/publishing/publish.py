"""Publishes a call of a guarded task: takes the lock first, then sends the message."""

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
from ..messages.stamp import LOCK_HEADER, MESSAGE_HEADER, WAIT_HEADER, stamping
from ..options.lock_types import lock_type_in
from ..options.plan import Plan
from ..options.policies import Cached, Wait
from ..options.shadow import goes_on_in_shadow
from .outgoing import NotSent, Outgoing, ToSend, Undo
from .reserve import reserve
from .shadow import reserve_in_shadow, with_call_options
from .successor import send_after

logger = logging.getLogger(__name__)


def publish(outgoing: Outgoing, send: Callable[..., Any]) -> Any:
    """Take the lock and send the message, or apply the policy.

    Arguments:
        send: sends the message, given the options of ``apply_async``.

    Returns:
        The result of the task; that of the holder if nothing was sent.

    Raises:
        DuplicateTaskError: if the policy raises it.
        LockStoreError: if the store does not answer, unless the setting is "run".
        UniqueKeyError: if the arguments cannot be made a key.
        UniqueLimitError: if they cannot be made a limit.
        ConfigurationError: if the options that the call gives for its guard are wrong.
    """
    try:
        return _publish(outgoing, send)
    except BaseException:
        _release_unsent(outgoing)
        raise


def _publish(outgoing: Outgoing, send: Callable[..., Any]) -> Any:
    try:
        decision = _decide(outgoing)
    except Exception as error:
        to_send = _sent_after(error, outgoing)
        if to_send is None:
            raise
        _release_unsent(outgoing)
        return _send(outgoing, to_send, send)
    if isinstance(decision, NotSent):
        result = decision.result
        result.duplicate = True
    else:
        result = _send(outgoing, decision, send)
    return _guard_against_own_wait(outgoing, result)


def _sent_after(error: Exception, outgoing: Outgoing) -> ToSend | None:
    """Return how a message is sent in spite of an error; None if the caller gets it."""
    name, task_id = outgoing.task.name, outgoing.id
    if goes_on_in_shadow(outgoing.task.app, name, error):
        return with_call_options(outgoing)
    if not outgoing.options.bound:
        return None
    # The worker meets the same error, and reports it to all that wait.
    logger.exception("%s[%s] is sent without a lock", name, task_id)
    return ToSend()


def _decide(outgoing: Outgoing) -> ToSend | NotSent:
    """Reserve the lock for the message, if its lock type asks for that."""
    outgoing.make_plan()
    plan, settings = outgoing.plan, outgoing.settings
    enabled = settings.enabled and outgoing.call_options.enabled
    if not (enabled and plan.lock.taken_at_publish):
        return outgoing.without_lock()
    if not settings.headers:  # its worker takes the lock
        return ToSend()
    if not outgoing.fits:
        return outgoing.without_lock()
    if outgoing.options.again:
        return _send_next_try(outgoing)
    if settings.shadow:
        return reserve_in_shadow(outgoing)
    if plan.lock.successor:
        return send_after(outgoing)
    return reserve(outgoing, accept_value=plan.value_ttl is not None)


def _send(outgoing: Outgoing, decision: ToSend, send: Callable[..., Any]) -> Any:
    headers: dict[str, Any] = {MESSAGE_HEADER: outgoing.message}
    if decision.lock is not None:
        headers[LOCK_HEADER] = decision.lock.header()
    if decision.waited is not None:
        headers[WAIT_HEADER] = decision.waited.header(outgoing.message)
    with stamping(outgoing.id, headers):
        result = send(**outgoing.options.values)
    result.duplicate = False
    return result


def _release_unsent(outgoing: Outgoing) -> None:
    """Release what was, or may have been, taken for a message that is not sent."""
    undo, outgoing.undo = outgoing.undo, Undo()
    if undo.action is None:
        return
    if undo.unanswered:
        in_background(outgoing.backend, undo.action)
        return
    try:
        undo.action()
    except BaseException as error:
        in_background(outgoing.backend, undo.action)
        if not isinstance(error, LockStoreError):
            raise
        name, task_id = outgoing.task.name, outgoing.id
        logger.warning("%s[%s] cannot release its lock yet: %s", name, task_id, error)


def may_wait_for_own_body(plan: Plan) -> bool:
    """Tell whether a call may wait for the lock of the very body that makes it."""
    return is_in_body() and isinstance(plan.run_policy, (Wait, Cached))


def _guard_against_own_wait(outgoing: Outgoing, result: Any) -> Any:
    """Let ``get()`` raise in a body that holds the lock which the call waits for."""
    if outgoing.settings.shadow or isinstance(result, EagerResult):
        return result
    if may_wait_for_own_body(outgoing.plan):
        shared = isinstance(result, HolderResult)
        result.__class__ = LaterHolderResult if shared else LaterResult
        result.held = lambda: _is_held_here(outgoing)
    return result


def _is_held_here(outgoing: Outgoing) -> bool:
    try:
        return held_lease(outgoing.key) is not None
    except Exception:  # the worker reports an error of a key
        return False


def _send_next_try(outgoing: Outgoing) -> ToSend:
    """Let the next try of a running task have its lock, once the current one ends."""
    lease = lease_of(outgoing.task)
    if not outgoing.plan.lock.held_to_end:
        return outgoing.without_reservation()
    if lease is None:
        return _take_unused_reservation(outgoing)
    if (lease.owner, lease.key) != (outgoing.id, outgoing.key):
        return outgoing.without_reservation()
    record, pending = outgoing.record(), outgoing.pending
    before, lease.heir = lease.heir, Heir(record, pending)

    def undo() -> None:
        lease.heir = before

    outgoing.undo.action = undo
    return outgoing.with_reservation(record, pending)


def _take_unused_reservation(outgoing: Outgoing) -> ToSend:
    """Let the next try have the reservation that this one did not use.

    For example, ``before_start`` retries the task: its guard does not run.
    """
    plain = outgoing.without_reservation()
    reserved = unused_reservation(outgoing.task, outgoing.id)
    if (
        reserved is None
        or reserved.key != outgoing.key
        or lock_type_in(reserved) is None
        or reserved.generation
    ):
        return plain
    assert reserved.token is not None
    record, pending = outgoing.record(), outgoing.pending
    backend, key = outgoing.backend, outgoing.reservation
    limit = outgoing.limit
    outgoing.undo.action = partial(backend.release, key, record.token, limit=limit)
    try:
        answer = backend.acquire(
            key, record, pending, take_over_from=(reserved.token,), limit=limit
        )
    except LockStoreError as error:
        logger.warning("%s may lose its lock: %s", outgoing.id, error)
    else:
        if not isinstance(answer, Acquired):
            outgoing.undo.action = None
            return plain
    return outgoing.with_reservation(record, pending)
