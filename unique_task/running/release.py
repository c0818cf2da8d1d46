"""The ways out of a guarded body, and when each frees the lock."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from typing import Any

from celery import Task, signals, states

from ..leases.lease import Lease
from ..leases.progress import progress_of
from ..signals import connect_once
from .call import Call


class End(Enum):
    """How a body came to its end."""

    RETURNED = auto()
    RAISED = auto()
    #: As by a worker that shuts down.
    BROKEN_OFF = auto()


def leave(call: Call, lease: Lease, value: bytes | None, end: End) -> None:
    """Free the lock of a body that is over, before anybody can see its outcome.

    Whoever sees that may run the next call at once. A message that may come again is
    kept from running beside what follows by the attempt's :class:`.Departure`.

    Where ``autoretry_for`` is around the guard, the next try may have to inherit the
    lock; see :mod:`unique_task.tasks.autoretry`.

    Arguments:
        value: of the run, for duplicates.
    """
    free = partial(_free, call, lease, value, end)
    if lease.whole and end is End.RAISED and call.retries_outside:
        call.leave_later(free)
    else:
        free()


def _free(call: Call, lease: Lease, value: bytes | None, end: End) -> None:
    leaves = end is not End.BROKEN_OFF
    lease.free(value, leaves=leaves)
    departure = lease.departure
    if departure is None:
        return
    if not leaves:  # it had freed its lock itself
        departure.end(finished=False)
        return
    task, late, depart = call.task, call.late, departure.end
    _when_stored(call, lambda state: depart(finished=_is_final(task, late, state)))


def settle(call: Call, remember: Callable[[], object]) -> None:
    """Remember of a call that did not run, once its outcome is stored, that it is over.

    Delivered again it would be no duplicate any more, and would run.
    """

    def finish(state: str | None) -> None:
        if _is_final(call.task, call.late, state):
            remember()

    _when_stored(call, finish)


def _when_stored(call: Call, finish: Callable[[str | None], None]) -> None:
    call.finish_later(finish)
    # Only now, because every task of a worker pays for a receiver.
    connect_once(signals.task_postrun, outcome_stored)


def _is_final(task: Task, late: bool, state: str | None) -> bool:
    """Tell whether an attempt that ended in `state` must not run again.

    With late acknowledgement a rejected one may go back to its queue, and so may one
    that failed, from a queue of dead letters; None is the state of a body that was
    broken off.
    """
    if not late:
        return state is not None
    if state == states.FAILURE:
        # New in Celery 5.7, and falls back on the old one.
        choice = getattr(task, "acks_on_failure", None)
        return bool(task.acks_on_failure_or_timeout if choice is None else choice)
    return state in (states.SUCCESS, states.RETRY, states.IGNORED)


def outcome_stored(
    task: Task | None = None, state: str | None = None, **_: Any
) -> None:
    """Note that the outcome of `task` is stored; for ``task_postrun``."""
    progress = progress_of(task) if task is not None else None
    if progress is not None and progress.finish is not None:
        finish, progress.finish = progress.finish, None
        finish(state)
