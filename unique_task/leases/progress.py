"""What the guard remembers of an attempt until it is over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary, ref

from celery import Task

from ..messages.lock_header import LockHeader
from .lease import Lease

#: Attribute of a task's ``run`` that ends with the call of :attr:`Progress.leave`.
LEAVES_LATER = "__unique_leaves_later__"


@dataclass
class Progress:
    """What the guard has to remember of an attempt until it is over.

    Attributes:
        verdict: id() of the exception with which the guard ended the attempt.
        leave: frees the lock once it is known whether the task is retried.
        finish: is called when the outcome is stored; gets the state.
        lease: that its body runs under, if the task's next try may inherit the lock.
        settled: whether the guard has taken over, freed or handed on what was reserved
            for the message.
    """

    verdict: int | None = None
    leave: Callable[[], None] | None = None
    finish: Callable[[str | None], None] | None = None
    # Weak, because a lease knows its request, and that is what this is found by.
    lease: ref[Lease] | None = None
    settled: bool = False


# Beside the requests, not in them: Celery sends on as a header what it does not know in
# a request, and reads attributes of a request from headers.
_progress: WeakKeyDictionary[Any, Progress] = WeakKeyDictionary()


def progress_of(task: Task) -> Progress | None:
    """Return what is remembered of the attempt that `task` is at; None if nothing."""
    return _progress.get(request_of(task))


def lease_of(task: Task) -> Lease | None:
    """Return the lease that the next try of `task`, which is under way, may inherit."""
    progress = progress_of(task)
    return progress.lease() if progress is not None and progress.lease else None


def unused_reservation(task: Task, task_id: str) -> LockHeader | None:
    """Return what is reserved for the attempt that `task` is at, and still is.

    Arguments:
        task_id: that the attempt has to have.
    """
    request = request_of(task)
    progress = progress_of(task)
    if request.id != task_id or (progress is not None and progress.settled):
        return None
    published = LockHeader.of(vars(request))
    return published if published is not None and published.token else None


def progress_at(request: Any) -> Progress:
    """Return what is remembered of the attempt of `request`, to add to it."""
    return _progress.setdefault(request, Progress())


def request_of(task: Task) -> Any:
    """Return the request as the worker made it, not a copy of it.

    ``Task.__call__`` works on a copy, from Celery 5.5 on with the same id.
    """
    stack = task.request_stack.stack
    if len(stack) == 1:
        return stack[0]
    request = task.request
    return next((r for r in stack if r.id == request.id), request)
