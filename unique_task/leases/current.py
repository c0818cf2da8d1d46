"""The lock that the running body runs under, and those around it."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from ..backends.base import Backend
from ..forks import in_forks
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
            keeper.keep(lease)
        return body()
    finally:
        _current.reset(before)


def is_in_body() -> bool:
    """Tell whether this thread is inside of a guarded body."""
    return _current.get() is not None


def is_guarded(request: Any) -> bool:
    """Tell whether this thread is inside of a guarded body for `request`."""
    return lease_for(request) is not None


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
