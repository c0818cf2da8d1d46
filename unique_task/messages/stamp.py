"""Stamps each message with an id, which tells two messages of one task apart."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from contextvars import ContextVar, Token
from typing import Any

from celery import signals

from ..signals import connect_once

# The names of the headers are a wire format: they travel between versions.

#: Message header with the id of the message: a random nonce, and when it was published,
#: in seconds since 1970. It travels with each delivery of the message.
MESSAGE_HEADER = "unique_task_message"

#: Message header with the lock that was taken for it: a
#: :class:`unique_task.messages.lock_header.LockHeader`.
LOCK_HEADER = "unique_task_lock"

#: Message header that counts the waits of one attempt: a
#: :class:`unique_task.messages.waited.Waited`.
WAIT_HEADER = "unique_task_wait"

#: All headers of the guard.
OURS = (MESSAGE_HEADER, LOCK_HEADER, WAIT_HEADER)

_MESSAGE_ID = re.compile("([0-9a-f]{8})-([0-9]{1,12})")

_stamped_tasks: set[str] = set()


class Stamp:
    """The headers of the message that its block publishes for the task `id`."""

    # A context manager made of a generator would cost several times as much.
    __slots__ = ("_before", "headers", "id")

    def __init__(self, task_id: str, headers: Mapping[str, Any]) -> None:
        self.id = task_id
        self.headers = headers

    def __enter__(self) -> None:
        self._before: Token[Stamp | None] = _stamp.set(self)

    def __exit__(self, *_: object) -> None:
        _stamp.reset(self._before)


_stamp: ContextVar[Stamp | None] = ContextVar("unique_task_stamp", default=None)


def stamp_messages_of(task_name: str) -> None:
    """Stamp each message of a task that is published from now on.

    The task id is not enough: a publisher may use it again, and the second message must
    run although the first one has run. Brokers do not help: the message that they
    deliver first may run last.
    """
    _stamped_tasks.add(task_name)
    connect_stamping()


def new_message_id() -> str:
    """Return the id of a message that is published now."""
    return f"{os.urandom(4).hex()}-{int(time.time())}"


def has_stamped_messages(task_name: str) -> bool:
    """Tell whether each message of a task gets an id, however it is published."""
    return task_name in _stamped_tasks


def stamping(task_id: Any, headers: Mapping[str, Any]) -> Stamp:
    """Add these headers to the message of the task `task_id` that the block sends."""
    return Stamp(str(task_id), headers)


def is_stamped(task_id: Any) -> bool:
    """Tell whether the headers of this task's message are known already."""
    stamp = _stamp.get()
    return stamp is not None and is_same_id(stamp.id, task_id)


def is_same_id(one: Any, other: Any) -> bool:
    """Tell whether two ids are those of one task.

    A caller may give a UUID or a number, and a serializer may change its type. In our
    headers and records ids are text.
    """
    return bool(one == other) or str(one) == str(other)


def connect_stamping() -> None:
    """Connect the receiver that adds headers; only apps that need it pay for it."""
    connect_once(signals.before_task_publish, _add_headers)


def nonce_and_age(message_id: Any) -> tuple[str, float]:
    """Return the nonce in a message id, and the age of the message in seconds.

    The nonce is empty, and the age 0, if the message was published without an id.
    """
    # The nonce becomes a part of a lock's record, and any publisher may write headers.
    is_text = isinstance(message_id, str)
    found = _MESSAGE_ID.fullmatch(message_id) if is_text else None
    return (found[1], time.time() - int(found[2])) if found else ("", 0.0)


def our_headers(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the part of a message that the guard's headers are in, among others.

    By protocol 2 they stand beside Celery's own. By protocol 1, and in an eager call,
    they are in a dict named ``headers``. Celery and tracers (sentry-sdk, ddtrace) put a
    dict of that name into messages of protocol 2, maybe with copies of ours: it counts
    only if no header of ours stands beside Celery's own.

    Arguments:
        message: ``vars(task.request)``, or the ``request_dict`` of a worker's parent.
    """
    if MESSAGE_HEADER in message or LOCK_HEADER in message or WAIT_HEADER in message:
        return message
    headers = message.get("headers")
    if headers is None:  # to ask an abstract class takes as long as all the rest
        return {}
    return headers if isinstance(headers, Mapping) else {}


def message_id_of(request: Any) -> Any:
    """Return the id of the message that brought `request`; None without one."""
    return our_headers(vars(request)).get(MESSAGE_HEADER)


def _add_headers(sender: str, headers: dict[str, Any], body: Any, **_: Any) -> None:
    stamp = _stamp.get()
    # A receiver of this signal may publish messages of other tasks itself.
    if stamp is not None and is_same_id(stamp.id, _id_in(headers, body)):
        headers.update(stamp.headers)
    elif sender in _stamped_tasks:
        headers[MESSAGE_HEADER] = new_message_id()


def _id_in(headers: Mapping[str, Any], body: Any) -> Any:
    """Return the task's id, which protocol 1 has in the body of a message."""
    return body.get("id") if isinstance(body, Mapping) else headers.get("id")
