"""The message of a task once more: all of it that its worker knows."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from celery import Task
from celery.app.task import Context
from kombu import serialization
from kombu.exceptions import EncodeError

from .delays import undelayed
from .stamp import OURS

#: What Celery's own retry leaves behind of a message, and a message may have: how its
#: arguments are shown (they may hide a secret), and by what it is compressed.
_LEFT_BEHIND = ("argsrepr", "kwargsrepr", "compression")

#: Headers that a broker adds: to what it delivers again (Redis), to dead letters
#: (RabbitMQ). Sent on, they would stick to the task.
_OF_BROKER = re.compile(
    "redelivered|x-death|x-(first|last)-death-(exchange|queue|reason)"
)


def same_again(task: Task, request: Any, **options: Any) -> Any:
    """Return a signature that sends the message of `request` once more.

    Arguments:
        options: of the new message, where it shall not be the same.
    """
    request = Context({**vars(request), "headers": _headers(request)})
    kept = {"retries": request.retries, **shown_as(request), **_delivery(request)}
    if request.ignore_result is not None:
        kept["ignore_result"] = request.ignore_result
    options = {**kept, **options}
    return task.signature_from_request(request, request.args, request.kwargs, **options)


def shown_as(request: Any) -> dict[str, Any]:
    """Return the options by which events and logs show a task as they did before."""
    return {
        name: vars(request)[name] for name in _LEFT_BEHIND if vars(request).get(name)
    }


def _delivery(request: Any) -> dict[str, Any]:
    delivery = {}
    mode = (request.properties or {}).get("delivery_mode")
    if mode is not None:
        delivery["delivery_mode"] = mode
    arrived_by = (request.delivery_info or {}).get("routing_key") or ""
    routing_key = undelayed(arrived_by)
    if routing_key != arrived_by:
        delivery["routing_key"] = routing_key
    return delivery


def _headers(request: Any) -> dict[str, Any]:
    """Return the caller's headers, without Celery's, ours, and the broker's.

    Of a message with a header that is named ``headers``, Celery shows a task no other;
    they are in the request all the same.
    """
    beside = request._get_custom_headers(vars(request)) or {}
    shown = request.headers
    # By protocol 1 there is no other place.
    if isinstance(shown, dict) and (not beside or _are_all(shown, beside)):
        return _callers(shown)
    headers = _callers(beside)
    if shown is not None:
        # A copy: tracers write into it.
        headers["headers"] = _callers(shown) if isinstance(shown, dict) else shown
    return headers


def _are_all(shown: dict[str, Any], beside: dict[str, Any]) -> bool:
    """Tell whether Celery shows what stands beside its own headers, ours too."""
    return beside.keys() & OURS <= shown.keys() and shown.items() <= beside.items()


def _callers(headers: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in headers.items()
        if name not in OURS and not _OF_BROKER.fullmatch(str(name))
    }


def send(signature: Any, task: Task) -> None:
    """Send it by the task's serializer, else by one in which it may have come."""
    try:
        signature.apply_async()
    except EncodeError:
        # Celery does not tell a task how its message was written; this app reads it.
        for serializer in task.app.conf.accept_content:
            with suppress(EncodeError):
                signature.apply_async(serializer=_name_of(serializer))
                return
        raise


def _name_of(serializer: str) -> str:
    """Return the name of a serializer that may be given by its type of content."""
    names: dict[str, str] = getattr(serialization, "registry").type_to_name
    return names.get(serializer, serializer)
