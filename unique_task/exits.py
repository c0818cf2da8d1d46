"""The ways out of a guarded body, and when each frees the lock."""

from __future__ import annotations

import functools
from collections.abc import Callable
from enum import Enum, auto
from typing import Any

from celery import Task, signals, states

from .calls import Call, progress_of
from .lease import Lease
from .signals import connect_once


class End(Enum):
    """How a body came to its end."""

    RETURNED = auto()
    RAISED = auto()
    #: As by a worker that shuts down.
    BROKEN_OFF = auto()


def leave(call: Call, lease: Lease, value: bytes | None, end: End) -> None:
    """Free the lock of a body that is over, now or when its outcome is stored.

    A message that is acknowledged late is delivered again if the worker dies before the
    outcome is stored; until then nobody else may run. And of a task that Celery retries
    when the guard is left, the next try may have to inherit the lock.

    Arguments:
        value: of the run, for duplicates.
    """
    may_retry = lease.whole and end is End.RAISED and call.retries_outside
    if not (call.late or may_retry):
        lease.free(value, finished=end is not End.BROKEN_OFF)
        return

    def finish(state: str | None) -> None:
        lease.free(
            value if state == states.SUCCESS else None,
            finished=_is_final(call.task, state),
        )

    _when_stored(call, finish)


def settle(call: Call, remember: Callable[[], object]) -> None:
    """Remember of a call that did not run, once its outcome is stored, that it is over.

    Delivered again it would be no duplicate any more, and would run.
    """

    def finish(state: str | None) -> None:
        if _is_final(call.task, state):
            remember()

    _when_stored(call, finish)


def _when_stored(call: Call, finish: Callable[[str | None], None]) -> None:
    call.finish_later(finish)
    # Only now, because every task of a worker pays for a receiver.
    connect_once(signals.task_postrun, outcome_stored)


def _is_final(task: Task, state: str | None) -> bool:
    """Tell whether an attempt that ended in `state` must not run again.

    A rejected one may go back to its queue, and so may one that failed, from a queue of
    dead letters; None is the state of a body that was broken off.
    """
    if state == states.FAILURE:
        # New in Celery 5.7, and falls back on the old one.
        choice = getattr(task, "acks_on_failure", None)
        return bool(task.acks_on_failure_or_timeout if choice is None else choice)
    return state in (states.SUCCESS, states.RETRY, states.IGNORED)


def outcome_stored(
    task: Task | None = None, state: str | None = None, **_: Any
) -> None:
    """Free the lock that the run of `task` has kept until now; for ``task_postrun``."""
    progress = progress_of(task) if task is not None else None
    if progress is not None and progress.finish is not None:
        finish, progress.finish = progress.finish, None
        finish(state)


def no_autoretry(retry: Any) -> Any:
    """Wrap ``Task.retry`` so that a verdict of the guard ends the task at once.

    ``autoretry_for=(Exception,)`` catches all but Ignore and Retry, and would answer
    "there is an equal call" and "the store is down" by spending the task's retries.
    """

    @functools.wraps(retry)
    def retry_or_raise(task: Task, *args: Any, **kwargs: Any) -> Any:
        error, progress = kwargs.get("exc"), progress_of(task)
        if error is not None and progress and id(error) == progress.verdict:
            raise error
        return retry(task, *args, **kwargs)

    return retry_or_raise
