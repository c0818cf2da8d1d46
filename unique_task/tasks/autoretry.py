"""Releases the lock of a task after ``autoretry_for``, which is around its guard."""

from __future__ import annotations

import functools
from typing import Any

from celery import Task

from ..leases.current import RELEASES_AFTER_AUTORETRY, progress_of


def leave_after_autoretry(task: Task) -> None:
    """Let a guarded task release its lock once it is known whether Celery retries it.

    ``autoretry_for`` gets the error of the body after the guard, and decides then::

        guard      the body fails
        autoretry        sends the next try, or lets the error pass
        here                                           hands on or releases the lock
        Celery                                                   stores RETRY or FAILURE
    """
    if "_orig_run" in vars(task) and not hasattr(task.run, RELEASES_AFTER_AUTORETRY):
        setattr(task, "run", _RunAndLeave(task, task.run))


class _RunAndLeave:
    """Stands in for the function that Celery has put around the run of a task.

    It shows the attributes of that function: its name, its code, its closure.
    """

    def __init__(self, task: Task, run: Any) -> None:
        functools.update_wrapper(self, run)
        self._task = task
        self._run = run
        setattr(self, RELEASES_AFTER_AUTORETRY, True)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return self._run(*args, **kwargs)
        finally:
            progress = progress_of(self._task)
            if progress is not None and progress.after_autoretry is not None:
                release, progress.after_autoretry = progress.after_autoretry, None
                release()

    def __getattr__(self, name: str) -> Any:
        if name == "_run":  # a copy that has no attributes yet
            raise AttributeError(name)
        return getattr(self._run, name)
