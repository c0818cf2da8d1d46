"""Hooks the runs of tasks into Celery, once there is a task that may run:

1. ``ExceptionInfo``: :func:`.exception_info`, when Celery reports an exception.
2. signals of tasks: :func:`.watch_messages`, for messages that end outside the guard.
"""

from __future__ import annotations

from functools import cache

from celery.app import trace

from ..running.ended_calls import exception_info
from ..running.redelivery import watch_messages


@cache
def hook_runs() -> None:
    """Hook the runs of tasks, the first time that this is called."""
    setattr(trace, "ExceptionInfo", exception_info)
    watch_messages()
