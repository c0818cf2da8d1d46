"""Writes the return value of a run as bytes, and reads it for its duplicates."""

from __future__ import annotations

import logging
from typing import Any

from celery import Celery, Task
from kombu.exceptions import ContentDisallowed, DecodeError, EncodeError
from kombu.serialization import dumps, loads, prepare_accept_content

logger = logging.getLogger(__name__)


def encode_value(task: Task, value: Any) -> bytes | None:
    """Return `value` as bytes, written like a result of `task`; None if that fails.

    The app has to accept the content of its serializer, which it mostly does not for
    pickle: a worker that reads it has to trust everyone who can write to the store.
    """
    app = task.app
    serializer = app.conf.result_serializer
    try:
        content_type, encoding, payload = dumps(
            app.backend.prepare_value(value), serializer
        )
    except EncodeError as error:
        logger.warning(
            "a value is not cached, %s cannot encode it: %s", serializer, error
        )
        return None
    if content_type not in _accepted(app):
        logger.warning(
            "a value is not cached: result_serializer=%r, but accept_content lacks %s",
            serializer,
            content_type,
        )
        return None
    body = payload.encode() if isinstance(payload, str) else payload
    return f"{content_type} {encoding} {task.name}\n".encode() + body


def decode_value(task: Task, data: bytes) -> Any:
    """Return the value in the bytes that :func:`encode_value` returned.

    Raises:
        kombu.exceptions.DecodeError: if it cannot be read, or is a value of another
            task of the namespace.
        kombu.exceptions.ContentDisallowed: if the app does not accept its serializer.
    """
    head, _, body = data.partition(b"\n")
    try:
        content_type, encoding, name = head.decode().split(" ", 2)
    except ValueError as error:
        raise DecodeError(f"{data[:40]!r} is no stored value") from error
    if name != task.name:
        raise DecodeError(f"it is a value of {name}")
    return loads(body, content_type, encoding, accept=_accepted(task.app))


#: What :func:`decode_value` raises for a value that this app cannot use.
UNREADABLE = (ContentDisallowed, DecodeError)

#: What :func:`usable_value` returns for such a value.
UNUSABLE = object()


def usable_value(task: Task, data: bytes) -> Any:
    """Return the value that :func:`decode_value` reads, or ``UNUSABLE``."""
    try:
        return decode_value(task, data)
    except UNREADABLE as error:
        logger.info("%s cannot use a stored value: %s", task.name, error)
        return UNUSABLE


def _accepted(app: Celery) -> Any:
    conf = app.conf
    return prepare_accept_content(conf.result_accept_content or conf.accept_content)
