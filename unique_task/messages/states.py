"""Stores the states that Celery does not: of started bodies and of unsent calls."""

from __future__ import annotations

import logging
import os
from typing import Any, NoReturn

from celery import Task, states
from celery.app.task import Context
from celery.backends.base import DisabledBackend
from celery.backends.rpc import RPCBackend
from celery.exceptions import Ignore, TaskRevokedError

from .events import send_event
from .waits_for import WaitsFor

logger = logging.getLogger(__name__)

#: Attribute of a task for which the guard stores the state STARTED, in place of Celery.
_DEFERRED = "__unique_started__"


class Ended(Ignore):
    """Ends a call that the guard has dealt with, in place of its body."""


class DeliveryOver(Ended):
    """Ends a delivery, not its task: another delivery stores the outcome."""


class ComesBack(DeliveryOver):
    """Ends a delivery whose message was sent again.

    Arguments:
        reason: why it comes back, and when.
        waits_for: the lock that it waits for, if it waits for one.
    """

    def __init__(self, reason: str, waits_for: WaitsFor | None = None) -> None:
        super().__init__(reason, waits_for)  # all, or it could not be pickled
        self.waits_for = waits_for

    def __str__(self) -> str:
        return str(self.args[0])


def ignores_result(task: Task, choice: bool | None) -> bool:
    """Tell whether no result is stored: by the choice of the call, else of the task."""
    return bool(task.ignore_result if choice is None else choice)


def defer_started(task: Task) -> None:
    """Have the state STARTED (``track_started``) stored when the body begins.

    Celery stores it when the message arrives. If the message arrives again after its
    task has failed, STARTED would stay as the last state::

        first delivery   runs, FAILURE is stored
        second                                    STARTED is stored, finds it has run
    """
    if task.track_started:
        task.track_started = False
        setattr(task, _DEFERRED, True)


def store_started(task: Task, request: Any) -> None:
    """Store the state STARTED as Celery would, if Celery leaves it to the guard.

    Arguments:
        request: of a task that a worker got from a queue.
    """
    deferred = getattr(task, _DEFERRED, False)
    if deferred and not ignores_result(task, request.ignore_result):
        where = {"pid": os.getpid(), "hostname": request.hostname}
        task.backend.store_result(request.id, where, states.STARTED, request=request)


def end_as_revoked(task: Task, request: Any, reason: str) -> NoReturn:
    """Store the state REVOKED of a duplicate, and end the call.

    The rest of its chain and its chord end too, so that no ``.get()``, group or chord
    waits for ever. ``mark_as_revoked`` would leave the rest of a chain pending.

    Raises:
        Ended: always.
    """
    task.backend.mark_as_failure(
        request.id,
        TaskRevokedError(reason),
        request=request,
        store_result=not ignores_result(task, request.ignore_result),
        call_errbacks=False,
        state=states.REVOKED,
    )
    how = {"terminated": False, "signum": None, "expired": False}
    send_event(task, request, "task-revoked", **how)
    raise Ended(reason)


def store_value(task: Task, task_id: str, value: Any) -> None:
    """Store the value of a call that is not sent, for callers that poll its id."""
    _store(task, task_id, value, states.SUCCESS)


def store_error(task: Task, task_id: str, error: Exception) -> None:
    """Store why a call is not sent, unless its id has a state already."""
    refused = isinstance(error, (Ignore, TaskRevokedError))
    _store(task, task_id, error, states.REVOKED if refused else states.FAILURE)


def _store(task: Task, task_id: str, outcome: Any, state: str) -> None:
    backend = task.backend
    if isinstance(backend, DisabledBackend):
        return
    # With a request, or Celery would take that of the task which makes the call.
    request = Context(id=task_id, task=task.name, delivery_info={})
    try:
        if isinstance(backend, RPCBackend):
            _declare_replies(task, task_id, request)
        elif state != states.SUCCESS and _has_state(task, task_id):
            return
        backend.store_result(task_id, outcome, state, request=request)
    except Exception as error:
        # The lock and the call itself are in order.
        logger.warning(
            "%s[%s] is %s, which could not be stored: %s",
            *(task.name, task_id, state, error),
        )


def _declare_replies(task: Task, task_id: str, request: Context) -> None:
    """Direct the reply to this thread, as Celery does for a task that it sends."""
    request.update(reply_to=task.app.thread_oid, correlation_id=task_id)
    with task.app.producer_or_acquire() as producer:
        task.backend.on_task_call(producer, task_id)


def _has_state(task: Task, task_id: str) -> bool:
    """Tell whether the id was used before: a real run stored its state then."""
    meta = task.backend.get_task_meta(task_id, cache=False)
    return bool(meta["status"] != states.PENDING)
