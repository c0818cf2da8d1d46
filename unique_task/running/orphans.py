"""Releases locks in a worker's parent: of dead children, of messages that never ran.

The parent also hears of the end of each run, and lets a call start that waits for it.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from functools import lru_cache, partial, wraps
from typing import Any

from billiard.exceptions import Terminated, TimeLimitExceeded, WorkerLostError
from celery.exceptions import TaskRevokedError

from ..backends.record import Record
from ..exceptions import LockStoreError
from ..leases.background import in_background
from ..leases.process import is_gone
from ..messages.events import note_events
from ..options.guarded_class import guarded_class_of
from ..threads import start_thread
from ..waiting.line import Waiting
from ..waiting.reports import (
    enter_if_waiting,
    greenlet_ended,
    leave_if_waiting,
    run_ended,
)
from .locks_of_requests import LockOfRequest, lock_of_request
from .redelivery import Redelivery, redelivery_after_loss, release_for

logger = logging.getLogger(__name__)

#: A task that fails with one of these has lost its child, or is about to.
_DEADLY = (
    WorkerLostError,
    Terminated,
    TimeLimitExceeded,
    SystemExit,
    KeyboardInterrupt,
)

#: Seconds between two looks whether the child is gone, and the longest time to look.
_LOOK_AGAIN = 0.02
_PATIENCE = 15.0

_Request: Any = object


class _Watched(_Request):  # type: ignore[misc]
    """The methods that :func:`watched` adds to a class of Celery's requests."""

    #: Whether the message went back to its queue.
    went_back = False

    #: What the worker knows of a message that waits for a lock.
    waiting: Waiting | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        note_events(self)
        if self.eta is not None:
            enter_if_waiting(self)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # Celery makes a subclass for each task, whose method does not call ours.
        if "on_success" in vars(cls):
            setattr(cls, "on_success", _then_ended(vars(cls)["on_success"]))

    def revoked(self) -> Any:
        revoked = super().revoked()
        if revoked:
            _release_reservation(self)
            leave_if_waiting(self)
            run_ended(self, TaskRevokedError())
        return revoked

    def reject(self, requeue: bool = False) -> Any:
        super().reject(requeue=requeue)
        self.went_back = requeue
        if not requeue:
            _release_reservation(self)
        leave_if_waiting(self)

    def on_timeout(self, soft: bool, timeout: float) -> Any:
        try:
            return super().on_timeout(soft, timeout)
        finally:
            # Only here is it seen that a time limit ends a greenlet. The run there does
            # not know whether its message is delivered again.
            if not soft and self.acknowledged:
                _release_reservation(self)
            if not soft:
                greenlet_ended(self, TimeLimitExceeded(timeout))

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        dead = _release_if_dead(self, exc_info.exception)
        try:
            return super().on_failure(exc_info, *args, **kwargs)
        finally:
            # With "return_ok" the run itself reports its error, its locks released.
            if not kwargs.get("return_ok", False):
                _release_after_loss(self)
            if not dead:
                run_ended(self, exc_info.exception)


def _then_ended(on_success: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method of a request that reports the end of a run, too."""

    @wraps(on_success)
    def on_success_and_ended(self: Any, result: Any, **kwargs: Any) -> Any:
        try:
            return on_success(self, result, **kwargs)
        finally:
            if not result[0]:  # what has failed goes on to on_failure()
                run_ended(self)

    return on_success_and_ended


@lru_cache(maxsize=None)
def watched(request_class: type[Any]) -> type[Any]:
    """Return a subclass that releases the locks of messages that end in the parent.

    A worker's parent process keeps one request for each task under way. A task names
    the class of its requests, ``Task.Request``.
    """
    if issubclass(request_class, _Watched):
        return request_class
    watched_class = type(request_class.__name__, (_Watched, request_class), {})
    watched_class.__qualname__ = request_class.__qualname__
    return watched_class


def _release_reservation(request: Any) -> None:
    release_for(request._app, request.request_dict)


def _release_after_loss(request: Any) -> None:
    if redelivery_after_loss(request) is not Redelivery.SURELY:
        _release_reservation(request)


def _release_if_dead(request: Any, error: Any) -> bool:
    """Release the lock of a run whose child has died, and report its end then.

    Returns:
        False if there is nothing to release.
    """
    # Billiard wraps an error that comes from a child, with its traceback.
    if not isinstance(getattr(error, "exc", error), _DEADLY):
        return False
    # In the other pools there are no children, and the task releases its own lock.
    child = request.worker_pid not in (None, os.getpid())
    if not child or guarded_class_of(request.task) is None:
        return False
    # In a thread: the parent must wait neither for the store nor for the child.
    return start_thread(partial(_end_soon, request, error), "unique_task") is not None


def _end_soon(request: Any, error: Any) -> None:
    try:
        _release_soon(request)
    finally:
        run_ended(request, error)


def _release_soon(request: Any) -> None:
    task = request.task
    try:
        lock = lock_of_request(request)
    except Exception:  # of the key's callable, among others
        logger.exception("%s[%s]: its lock ends by its time", task.name, request.id)
        return
    if lock is None:
        return
    try:
        _release(task.name, lock)
    except LockStoreError:
        in_background(lock.backend, partial(_release, task.name, lock))


def _release(task: str, lock: LockOfRequest) -> None:
    """Release the lock that a task holds, once its process is gone."""
    own = [held.record for held in lock.own_holders() if held.record.process]
    for record in _gone_in_time(own):
        if lock.backend.release(lock.name, record.token, limit=lock.limit):
            logger.info("%s[%s] died; its lock is free", task, lock.owner)


def _gone_in_time(records: list[Record]) -> list[Record]:
    """Wait until the process of a holder is gone; return those that are, in time."""
    end = time.monotonic() + _PATIENCE
    while records and time.monotonic() <= end:
        gone = [record for record in records if is_gone(record.process)]
        if gone:
            return gone
        time.sleep(_LOOK_AGAIN)
    return []
