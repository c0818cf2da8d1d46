"""The arguments of a call as its worker will get them."""

from __future__ import annotations

from typing import Any

from celery import Task
from kombu.serialization import dumps, loads, prepare_accept_content


def as_sent(task: Task, args: Any, kwargs: Any, serializer: str | None) -> Any:
    """Return arguments as the serializer leaves them, because the worker gets them so.

    Arguments:
        serializer: of the message; None for that of the task, else of the app.
    """
    name = serializer or task.serializer or task.app.conf.task_serializer
    kind, encoding, data = dumps((args, kwargs), name)
    accept = prepare_accept_content([kind])
    return loads(data, kind, encoding, accept=accept)
