"""Locks of a pool's child that died: its parent process frees them."""

from __future__ import annotations

import logging
import os
import time
from functools import lru_cache
from threading import Thread
from typing import Any

from billiard.exceptions import Terminated, TimeLimitExceeded, WorkerLostError
from celery import Task

from .process import is_gone
from .settings import backend_of, settings_of
from .wrapping import GUARDED

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
    """Return a class of requests that frees the lock of a child that dies.

    Celery has a worker's parent process keep one request for each task under way, and
    lets a task name its class (``Task.Request``).
    """

    if hasattr(request_class, _WATCHED):
        return request_class

    class Watched(request_class):  # type: ignore[misc]
        def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
            # What has crossed processes is wrapped together with its traceback.
            error = exc_info.exception
            if isinstance(getattr(error, "exc", error), _DEADLY):
                _free_when_gone(self)
            return super().on_failure(exc_info, *args, **kwargs)

    setattr(Watched, _WATCHED, True)
    Watched.__name__ = Watched.__qualname__ = request_class.__name__
    return Watched


def _free_when_gone(request: Any) -> None:
    # In the other pools there are no children, and the task frees its own lock.
    if request.worker_pid in (None, os.getpid()):
        return
    # Not here: the parent must wait neither for the store nor for the child.
    call = request.task, request.id, request.args, request.kwargs
    Thread(target=_free, args=call, name="unique_task", daemon=True).start()


def _free(task: Task, owner: str, args: Any, kwargs: Any) -> None:
    """Free the lock that the task `owner` holds, once its process is gone."""
    try:
        guard, settings = getattr(task, GUARDED).guard, settings_of(task.app)
        if not settings.enabled:
            return
        backend = backend_of(task.app, settings, guard.options.backend)
        key = guard.digest(task, args, kwargs)
        held = backend.get(key)
        if held is None or held.record.owner != owner:
            return
        if _ends(held.record.process) and backend.release(key, held.record.token):
            logger.info("%s[%s] died; its lock is free", task.name, owner)
    except Exception:  # of the key's callable, among others
        logger.exception("%s[%s] died; its lock ends by its lease", task.name, owner)


def _ends(process: str) -> bool:
    """Wait until `process` is gone; False if it is not, or nothing tells."""
    end = time.monotonic() + _PATIENCE
    while not is_gone(process):
        if time.monotonic() > end:
            return False
        time.sleep(_LOOK_AGAIN)
    return True
