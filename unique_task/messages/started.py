"""The state STARTED: of bodies that run, not of calls that find out they must not."""

from __future__ import annotations

import os
from typing import Any

from celery import Task, states

from .requeue import ignores_result

#: Attribute of a task for which the guard stores the state, in place of Celery.
_DEFERRED = "__unique_started__"


def defer_started(task: Task) -> None:
    """Have the state STARTED (``track_started``) stored when the body begins.

    Celery stores it when the message arrives. Of a message that is delivered again
    after its task has failed, that would be the last word on it::

        first delivery   runs, FAILURE is stored
        second                                    STARTED is stored, finds it has run
    """
    if task.track_started:
        task.track_started = False
        setattr(task, _DEFERRED, True)


def note_started(task: Task, request: Any) -> None:
    """Store the state STARTED as Celery would, if Celery leaves it to the guard.

    Arguments:
        request: of a task that a worker got from a queue.
    """
    if getattr(task, _DEFERRED, False) and not ignores_result(task, request):
        where = {"pid": os.getpid(), "hostname": request.hostname}
        task.backend.store_result(request.id, where, states.STARTED, request=request)
