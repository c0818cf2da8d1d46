"""Sends the message of a task again, so that the same task comes back later."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, NoReturn

from celery import Task
from celery.app.task import Context
from celery.exceptions import Reject
from kombu import serialization
from kombu.exceptions import EncodeError

from ..exceptions import DuplicateTaskError
from .bounds import SHORTEST_PAUSE
from .delays import sendable_countdown, without_delay
from .stamp import (
    LOCK_HEADER,
    MESSAGE_HEADER,
    OURS,
    WAIT_HEADER,
    is_same_id,
    new_message_id,
    our_headers,
    stamping,
)
from .states import ComesBack, ignores_result
from .waited import Waited
from .waits_for import WaitsFor

# Documented: the log of duplicates, wherever its lines are written.
logger = logging.getLogger("unique_task.duplicates")

#: Longest pause in seconds before a message that cannot be sent again is rejected.
_PAUSE = 1.0

#: Options of a message that Celery's own retry drops: how events and logs show the
#: arguments (they may hide a secret), and the compression.
_DROPPED_BY_CELERY = ("argsrepr", "kwargsrepr", "compression")

#: Headers that a broker adds: Redis to a redelivery, RabbitMQ to a dead letter. If
#: they were sent on, they would stick to the task.
_OF_BROKER = re.compile(
    "redelivered|x-death|x-(first|last)-death-(exchange|queue|reason)"
)


def requeue(
    task: Task,
    request: Any,
    countdown: float,
    reason: Exception,
    *,
    quiet: bool = False,
    admitted: bool = False,
    unanswered: str | None = None,
    waits_for: WaitsFor | None = None,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> NoReturn:
    """Send the message of `request` again, to arrive in `countdown` seconds.

    The task stays the same: id, arguments, retries, callbacks, chord, chain, headers,
    priority, queue and expiry. A requeue does not count as one of its retries.

    Arguments:
        reason: what the task's state RETRY and the log show.
        quiet: store no state. For waits in which another delivery of the same task owns
            the state, or the result backend may be out of order.
        admitted: whether an earlier delivery got the lock, so that the task must wait.
        unanswered: token for which this delivery asked the store, without an answer.
        waits_for: the lock that the task waits for, if it waits for one.
        options: of ``apply_async``, where the new message differs.

    Raises:
        ComesBack: ends this delivery.
        celery.exceptions.Reject: if the message cannot be sent; one that is
            acknowledged late goes back to its queue.
        Exception: `reason`, if the message cannot be sent and is acknowledged already.
    """
    message_id, again = new_message_id(), copy_of(task, request, **options)
    waited = Waited.of(request).again(admitted, unanswered, waits_for)
    # Shorter pauses, of many messages that wait for one lock, keep a broker busy.
    countdown = max(countdown, SHORTEST_PAUSE)
    countdown = sendable_countdown(task, countdown, again.options)
    again.set(countdown=countdown)
    if not (quiet or ignores_result(task, request.ignore_result)):
        # Before the message is sent: Celery stores a raised Retry after it::
        #
        #     this delivery  sends the message                       stores RETRY
        #     the next one                      runs, stores FAILURE
        #
        # and a caller would wait for the result for ever.
        task.backend.mark_as_retry(request.id, reason, request=request)
    try:
        with stamping(request.id, _headers(request, message_id, waited)):
            send(again, task)
    except Exception as error:
        _end_unsent(task, countdown, reason, error)
    _log_wait(task, request, reason, countdown)
    raise ComesBack(f"comes back in {countdown:.1f} s: {reason}", waits_for)


def _end_unsent(
    task: Task, countdown: float, reason: Exception, error: Exception
) -> NoReturn:
    """End a delivery whose message could not be sent again."""
    if task.acks_late:
        # The broker delivers it again at once. Without the pause, thousands of
        # times a second.
        time.sleep(min(countdown, _PAUSE))
        raise Reject(error, requeue=True) from error
    raise reason from error


def _log_wait(task: Task, request: Any, reason: Exception, countdown: float) -> None:
    """Log each wait: without a line, the task would look lost."""
    logger.info(
        "%s[%s] waits for %s, back in %g s",
        *(task.name, request.id, _waits_for(request, reason), round(countdown, 1)),
    )


def _waits_for(request: Any, reason: Exception) -> str:
    """Return what a task waits for, as the log shows it."""
    if not isinstance(reason, DuplicateTaskError):
        return "the store of locks"
    if is_same_id(reason.owner, request.id):
        return "an earlier delivery or try of the same task"
    if reason.hold is not None:
        return f"{reason.owner} ({reason.hold})"
    return reason.owner or "another call"


def _headers(request: Any, message_id: str, waited: Waited) -> dict[str, Any]:
    """Return the headers of the next message, which takes over the lock of this one."""
    headers = {MESSAGE_HEADER: message_id, WAIT_HEADER: waited.header(message_id)}
    lock = our_headers(vars(request)).get(LOCK_HEADER)
    if isinstance(lock, dict):
        headers[LOCK_HEADER] = {**lock, "message": message_id}
    return headers


def copy_of(task: Task, request: Any, **options: Any) -> Any:
    """Return a signature that sends the message of `request` once more.

    Arguments:
        options: of ``apply_async``, where the new message differs.
    """
    request = Context({**vars(request), "headers": _callers_headers(request)})
    kept = {
        "retries": request.retries,
        **options_to_keep(request),
        **_delivery(request),
    }
    if request.ignore_result is not None:
        kept["ignore_result"] = request.ignore_result
    options = {**kept, **options}
    return task.signature_from_request(request, request.args, request.kwargs, **options)


def options_to_keep(request: Any) -> dict[str, Any]:
    """Return the options of a message that Celery does not pass on to a retry."""
    return {
        name: vars(request)[name]
        for name in _DROPPED_BY_CELERY
        if vars(request).get(name)
    }


def _delivery(request: Any) -> dict[str, Any]:
    delivery = {}
    mode = (request.properties or {}).get("delivery_mode")
    if mode is not None:
        delivery["delivery_mode"] = mode
    arrived_by = (request.delivery_info or {}).get("routing_key") or ""
    routing_key = without_delay(arrived_by)
    if routing_key != arrived_by:
        delivery["routing_key"] = routing_key
    return delivery


def _callers_headers(request: Any) -> dict[str, Any]:
    """Return the caller's headers, without those of Celery, the guard and the broker.

    If a message has a header named ``headers``, Celery shows a task only that one. The
    request has the others all the same.
    """
    beside = request._get_custom_headers(vars(request)) or {}
    shown = request.headers
    # Protocol 1 has no other place for them.
    if isinstance(shown, dict) and (not beside or _are_all(shown, beside)):
        return _callers(shown)
    headers = _callers(beside)
    if shown is not None:
        # A copy: tracers write into it.
        headers["headers"] = _callers(shown) if isinstance(shown, dict) else shown
    return headers


def _are_all(shown: dict[str, Any], beside: dict[str, Any]) -> bool:
    """Tell whether Celery shows all headers that stand beside its own."""
    return beside.keys() & OURS <= shown.keys() and shown.items() <= beside.items()


def _callers(headers: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in headers.items()
        if name not in OURS and not _OF_BROKER.fullmatch(str(name))
    }


def send(signature: Any, task: Task) -> None:
    """Send a message with the task's serializer, else with one the app accepts."""
    try:
        signature.apply_async()
    except EncodeError:
        # Celery does not show a task the serializer of its message. It is one that this
        # app accepts.
        for serializer in task.app.conf.accept_content:
            with suppress(EncodeError):
                signature.apply_async(serializer=_name_of(serializer))
                return
        raise


def _name_of(serializer: str) -> str:
    """Return the name of a serializer, given its name or its content type."""
    names: dict[str, str] = getattr(serialization, "registry").type_to_name
    return names.get(serializer, serializer)
