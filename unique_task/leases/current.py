"""The attempts of this process: under which lock a body runs, how far each has come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary, ref

from celery import Task

from ..backends.base import Backend
from ..forks import in_forks
from ..messages.lock_header import LockHeader
from .held_lease import HeldLease
from .keeper import keeper
from .lease import Lease

_current: ContextVar[Lease | None] = ContextVar("unique_task_lock", default=None)


def current_lock() -> Lease:
    """Return the lock under which the running body runs.

    Raises:
        LookupError: outside of a guarded body, or in a thread that the body started.

    Example::

        @app.task
        @unique
        def write(path):
            storage.write(path, fence=current_lock().fence)
    """
    lease = _current.get()
    if lease is None:
        raise LookupError(
            "current_lock() is there only inside the body of a @unique task, in the "
            "thread that runs it: call it there and pass the lock on"
        )
    return lease


def run_under(lease: Lease, body: Callable[[], Any]) -> Any:
    """Run `body` with `lease` as its :func:`current_lock`."""
    lease.outer = _current.get()
    before = _current.set(lease)
    try:
        if isinstance(lease, HeldLease) and lease.renew:
            keeper.add(lease)
        return body()
    finally:
        _current.reset(before)


def is_in_body() -> bool:
    """Tell whether this thread is inside of a guarded body."""
    return _current.get() is not None


def lease_for(request: Any) -> Lease | None:
    """Return the lease under which the body for `request` runs in this thread."""
    lease = _current.get()
    while lease is not None and lease.request is not request:
        lease = lease.outer
    return lease


def held_lease(key: str, backend: Backend | None = None) -> HeldLease | None:
    """Return the lease on `key` under which this thread runs a body, or a caller of it.

    Arguments:
        backend: where the lock lives; None for any.
    """
    lease = _current.get()
    while lease is not None:
        if isinstance(lease, HeldLease) and lease.is_on(key, backend):
            return lease
        lease = lease.outer
    return None


# A fork of the body does not hold the lock: its parent releases it at any time.
in_forks(lambda: _current.set(None))

#: Attribute of a task's ``run`` that calls :attr:`Progress.after_autoretry`.
RELEASES_AFTER_AUTORETRY = "__unique_releases_after_autoretry__"


@dataclass(eq=False, repr=False)
class Progress:
    """How far an attempt has come, from its start until its outcome is stored.

    Attributes:
        reservation_handled: whether the guard has taken over, released or handed on
            what was reserved for the message.
        guard_error: id() of the exception with which the guard ended the attempt.
        lease: the lease of the body, if the task's next try may inherit the lock.
        after_autoretry: releases the lock once it is known whether Celery retries the
            task.
        after_outcome: is called once the outcome is stored, with True if the attempt
            has finished; see :mod:`unique_task.running.redelivery`.
    """

    reservation_handled: bool = False
    # The exception itself would keep the request alive, by the frames of its traceback.
    guard_error: int | None = None
    # Weak: a lease knows its request, and the request is the key to this.
    lease: ref[HeldLease] | None = None
    after_autoretry: Callable[[], None] | None = None
    after_outcome: Callable[[bool], object] | None = None


# Beside the requests, not in them: Celery sends unknown attributes of a request on as
# headers, and reads attributes of a request from headers.
_progress: WeakKeyDictionary[Any, Progress] = WeakKeyDictionary()


def progress_at(request: Any) -> Progress:
    """Return the progress of the attempt of `request`, to write to it."""
    return _progress.setdefault(request, Progress())


def progress_of(task: Task) -> Progress | None:
    """Return the progress of the current attempt of `task`; None if it has none."""
    return _progress.get(request_of(task))


def lease_of(task: Task) -> HeldLease | None:
    """Return the lease of the running `task`, if its next try may inherit it."""
    progress = progress_of(task)
    return progress.lease() if progress is not None and progress.lease else None


def unused_reservation(task: Task, task_id: str) -> LockHeader | None:
    """Return the reservation of the current attempt of `task`, if it is not used.

    Arguments:
        task_id: the id that the attempt must have.
    """
    request = request_of(task)
    progress = progress_of(task)
    if request.id != task_id or (progress is not None and progress.reservation_handled):
        return None
    published = LockHeader.of(vars(request))
    return published if published is not None and published.token else None


def request_of(task: Task) -> Any:
    """Return the request as the worker made it, not a copy of it.

    ``Task.__call__`` works on a copy, from Celery 5.5 on with the same id.
    """
    requests = task.request_stack.stack
    return original_in(requests) if requests else task.request


def original_in(requests: Sequence[Any]) -> Any:
    """Return the request of which the last one of a task's requests is a copy."""
    last = requests[-1]
    if len(requests) == 1:
        return last
    return next(request for request in requests if request.id == last.id)
