"""Locks that a worker's parent frees: of a child that died, of what never starts."""

from __future__ import annotations

import logging
import os
import time
from functools import lru_cache, partial
from typing import Any

from billiard.exceptions import Terminated, TimeLimitExceeded, WorkerLostError

from ..exceptions import LockStoreError
from ..leases.background import in_background
from ..leases.process import is_gone
from ..messages.lock_header import LockHeader
from ..options.guarded_class import guarded_class_of, spec_of
from ..options.task_spec import CallPlan
from ..threads import start_thread
from .discarded import give_up

logger = logging.getLogger(__name__)

#: With which of these a task fails, its child is dead or about to be killed.
_DEADLY = (
    WorkerLostError,
    Terminated,
    TimeLimitExceeded,
    SystemExit,
    KeyboardInterrupt,
)

_WATCHED = "__unique_watched__"

#: Seconds between two looks whether the child is gone by now, and for how long at most.
_LOOK_AGAIN = 0.02
_PATIENCE = 15.0


@lru_cache(maxsize=None)
def watched(request_class: type[Any]) -> type[Any]:
    """Return a class of requests that frees the lock of what dies or is thrown away.

    Celery has a worker's parent process keep one request for each task under way, and
    lets a task name its class (``Task.Request``).
    """
    if hasattr(request_class, _WATCHED):
        return request_class
    watched_class = _watching(request_class)
    setattr(watched_class, _WATCHED, True)
    watched_class.__name__ = watched_class.__qualname__ = request_class.__name__
    return watched_class


def _watching(request_class: type[Any]) -> type[Any]:
    class Watched(request_class):  # type: ignore[misc]
        _went_back = False

        def revoked(self) -> Any:
            revoked = super().revoked()
            _give_up_if(revoked, self)
            return revoked

        def reject(self, requeue: bool = False) -> Any:
            super().reject(requeue=requeue)
            self._went_back = requeue
            _give_up_if(not requeue, self)

        def on_timeout(self, soft: bool, timeout: float) -> Any:
            try:
                return super().on_timeout(soft, timeout)
            finally:
                # Of a greenlet that a time limit ends, nothing else tells, and its run
                # does not know whether the message comes again.
                _give_up_if(not soft and self.acknowledged, self)

        def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
            _free_if_dead(self, exc_info.exception)
            try:
                return super().on_failure(exc_info, *args, **kwargs)
            finally:
                # With "return_ok" a run reports its own error, and has freed its own.
                told = kwargs.get("return_ok", False)
                _give_up_if(not (told or _comes_again(self)), self)

    return Watched


def _give_up_if(over: bool, request: Any) -> None:
    """Free what was reserved for a message if that is over."""
    if over:
        give_up(request._app, request.request_dict)


def _free_if_dead(request: Any, error: Any) -> None:
    """Free the lock of a run with whose child it is over."""
    # What has crossed processes is wrapped together with its traceback.
    if not isinstance(getattr(error, "exc", error), _DEADLY):
        return
    # In the other pools there are no children, and the task frees its own lock.
    child = request.worker_pid not in (None, os.getpid())
    if child and guarded_class_of(request.task) is not None:
        # Not here: the parent must wait neither for the store nor for the child.
        start_thread(partial(_free_soon, request), "unique_task")


def _comes_again(request: Any) -> bool:
    """Tell whether the broker delivers the message of a lost run again."""
    cancelled = getattr(request, "_already_cancelled", False)
    return bool(request._went_back or (cancelled and request.task.acks_late))


def _free_soon(request: Any) -> None:
    task = request.task
    try:
        published = LockHeader.of(request.request_dict)
        call_plan = spec_of(task).call_plan(
            task, published, request.args, request.kwargs
        )
    except Exception:  # of the key's callable, among others
        logger.exception("%s[%s]: its lock ends by its time", task.name, request.id)
        return
    if call_plan is None:
        return
    try:
        _free(request, call_plan)
    except LockStoreError:
        in_background(call_plan.backend, partial(_free, request, call_plan))


def _free(request: Any, call_plan: CallPlan) -> None:
    """Free the lock that a task holds, once its process is gone."""
    lock = call_plan.plan.lock.run_name(call_plan.key, str(request.id))
    held = call_plan.backend.get(lock)
    if held is None or held.record.owner != str(request.id) or not held.record.process:
        return
    if _ends(held.record.process) and call_plan.backend.release(
        lock, held.record.token
    ):
        logger.info("%s[%s] died; its lock is free", request.task.name, request.id)


def _ends(process: str) -> bool:
    """Wait until `process` is gone; False if it is not, or nothing tells."""
    end = time.monotonic() + _PATIENCE
    while not is_gone(process):
        if time.monotonic() > end:
            return False
        time.sleep(_LOOK_AGAIN)
    return True
