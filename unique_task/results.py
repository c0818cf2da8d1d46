"""What a call returns for which nothing was sent."""

from __future__ import annotations

from typing import Any

from celery import Task, states
from celery.exceptions import TaskRevokedError
from celery.result import AsyncResult, EagerResult
from kombu.utils.uuid import uuid

from .backends.record import Record


def of_holder(task: Task, holder: Record) -> AsyncResult:
    """Return the result of the task that holds the lock."""
    owner = holder.owner
    if holder.state != "called":
        return task.AsyncResult(owner)
    # It runs in place, in another process: its result will be stored nowhere.
    reason = TaskRevokedError(f"duplicate of {owner}")
    return EagerResult(owner, reason, states.REVOKED, name=task.name)


def ready(task: Task, value: Any) -> AsyncResult:
    """Return a result that has come already; a result is that itself."""
    if isinstance(value, AsyncResult):
        return value
    return EagerResult(uuid(), value, states.SUCCESS, name=task.name)


def marked(result: Any, duplicate: bool) -> Any:
    """Return `result`, which tells by ``.duplicate`` whether nothing was sent."""
    result.duplicate = duplicate
    return result
