"""``Task.replace()``: a guarded task lets another one take its place."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from celery import Task
from celery.canvas import Signature

from ..leases.current import lease_for, request_of
from ..leases.lease import Lease


def guarded_on_replace(on_replace: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap ``Task.on_replace``, so that the lock is free before another task runs.

    That has the id of this task, so whoever waits for the result can see it end::

        this task     sends the other    ...    raises Ignore: the guard frees the lock
        the other               runs, ends
        a caller                          sees the result, calls again
    """

    @functools.wraps(on_replace)
    def leave_and_replace(task: Task, sig: Signature) -> Any:
        request = request_of(task)
        lease = None if request.is_eager else lease_for(request)
        if lease is not None and not _inherits(lease, sig):
            lease.free(leaves=True)
        return on_replace(task, sig)

    return leave_and_replace


def _inherits(lease: Lease, sig: Signature) -> bool:
    """Tell whether the lock goes on to what takes the task's place, like to a retry."""
    return lease.held_to_end and sig.task == lease.task.name
