"""What a worker's requests report: a message waits for a lock, ends, or has run.

Each report may let calls start that wait in this worker, or in another one.
"""

from __future__ import annotations

from typing import Any

from ..messages.states import ComesBack
from ..messages.waits_for import WaitsFor
from .step import logs_errors, step_of


@logs_errors
def enter_if_waiting(request: Any) -> None:
    """Let a message with an eta enter the waiting room if it waits for a lock."""
    step = step_of(request.hostname)
    if step is None:
        return
    waits_for = WaitsFor.in_message(request.request_dict)
    if waits_for is not None:
        step.enter(request, waits_for)


@logs_errors
def leave_if_waiting(request: Any) -> None:
    """Note that a message ends, and is in no pool."""
    waiting, step = request.waiting, step_of(request.hostname)
    if waiting is not None and step is not None:
        step.do(lambda room: room.leave(waiting))


@logs_errors
def run_ended(request: Any, error: Any = None) -> None:
    """Note that a task has ended, and let another one start that waits for it.

    Arguments:
        error: what it has raised, maybe wrapped; None if it has succeeded.
    """
    step = step_of(request.hostname)
    if step is None:
        return
    back = None
    # Billiard wraps an error that comes from a child, with its traceback.
    error = getattr(error, "exc", error)
    if isinstance(error, ComesBack):
        # It may come back for another reason than a lock, as if no store answers.
        back = error.waits_for or WaitsFor("")
    task, waiting, succeeded = str(request.id), request.waiting, error is None
    step.do(lambda room: room.ended(task, waiting, succeeded=succeeded, back=back))


def greenlet_ended(request: Any, error: Exception) -> None:
    """Note that a time limit has ended a task, if that was in a greenlet.

    A child is killed only after that; then its own end is reported.
    """
    step = step_of(request.hostname)
    if step is not None and step.consumer.pool.is_green:
        run_ended(request, error)
