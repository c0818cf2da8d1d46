"""What a call returns for which nothing was sent."""

from __future__ import annotations

from typing import Any

from celery import Task, states
from celery.exceptions import TaskRevokedError
from celery.result import AsyncResult, EagerResult
from kombu.utils.uuid import uuid

from .backends.record import Record


class HolderResult(AsyncResult):
    """The result of a task to which somebody may have a result already."""

    def __del__(self) -> None:
        # Until Celery 5.7, the end of one result of a task ends the subscription of all
        # in this process: whoever waits for a group with the task in it would do so for
        # ever (celery/celery#4925).
        pass


def of_holder(task: Task, holder: Record, ignored: bool = False) -> AsyncResult:
    """Return the result of the task that holds the lock.

    Arguments:
        ignored: whether nobody is to wait for it, as Celery says of what it sends.
    """
    owner = holder.owner
    if holder.state != "called":
        result = HolderResult(
            owner, backend=task.backend, task_name=task.name, app=task.app
        )
        result.ignored = ignored
        return result
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
