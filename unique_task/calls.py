"""One call of a guarded task: which task it is, and how it came to be called."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from celery import Task
from celery._state import get_current_task
from celery.utils.nodenames import gethostname
from kombu.utils.uuid import uuid


@dataclass(frozen=True)
class Call:
    """One call of a task.

    Attributes:
        task: that is called.
        request: Celery's request for this attempt; None for a direct call.
        args: without the bound ``self``.
        kwargs: of the call.
        body: runs the task's own function.
        owner: id of the task, or one made up for a direct call.
    """

    task: Task
    request: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    body: Callable[[], Any]
    owner: str

    @property
    def queued(self) -> bool:
        """True if a worker got the call from a queue."""
        return self.request is not None and not self.request.is_eager

    @property
    def eager(self) -> bool:
        """True if Celery runs the task in place: ``apply()``, ``task_always_eager``."""
        return self.request is not None and bool(self.request.is_eager)

    @property
    def late(self) -> bool:
        """True if the message is acknowledged only after the run."""
        return self.queued and bool(self.task.acks_late)

    @property
    def admitted(self) -> bool:
        """True if an earlier delivery or try of this task has been let in already."""
        if not self.queued:
            return False
        redelivered = (self.request.delivery_info or {}).get("redelivered")
        return bool(self.request.retries or redelivered)

    def note_verdict(self, verdict: Exception) -> None:
        """Remember that the guard, not the body, ended this attempt."""
        if self.request is not None:
            self.request.unique_verdict = verdict

    @property
    def retries(self) -> int:
        """How often the task has retried itself."""
        return (self.request.retries or 0) if self.request is not None else 0

    @property
    def worker(self) -> str:
        """Node and process that make the call."""
        node = self.request.hostname if self.request is not None else None
        return f"{node or _node_name()}/{os.getpid()}"


def call_of(task: Task, args: Any, kwargs: Any, body: Callable[[], Any]) -> Call:
    """Return the call of `task` that is under way in this thread."""
    request = current_request(task)
    owner = request.id if request is not None else uuid()
    return Call(task, request, args, kwargs, body, owner)


def current_request(task: Task) -> Any:
    """Return the request that `task` works on; None if it is called directly.

    Celery's current task need not be `task`: it may be one that calls ``task.run()``.
    And ``self(...)`` inside of a task sees, from Celery 5.5 on, the request of the
    outer run.
    """
    if get_current_task() is not task:
        return None
    request = task.request
    if request.called_directly or not request.id:
        return None
    stack = task.request_stack.stack
    if len(stack) > 1 and stack[-2].id == request.id:
        return None
    return request


@lru_cache(maxsize=1)
def _node_name() -> str:
    return str(gethostname())
