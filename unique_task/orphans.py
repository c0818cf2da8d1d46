"""Locks that a worker's parent frees: of a child that died, of what is revoked."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from functools import lru_cache, partial
from threading import Thread
from typing import Any

from billiard.exceptions import Terminated, TimeLimitExceeded, WorkerLostError

from .background import in_background
from .exceptions import LockStoreError
from .lock_header import LockHeader
from .process import is_gone
from .rules import Terms
from .wrapping import rules_of

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
    """Return a class of requests that frees the lock of what dies, or is revoked.

    Celery has a worker's parent process keep one request for each task under way, and
    lets a task name its class (``Task.Request``).
    """

    if hasattr(request_class, _WATCHED):
        return request_class

    class Watched(request_class):  # type: ignore[misc]
        def revoked(self) -> Any:
            revoked = super().revoked()
            if revoked:
                _give_up_reserved(self)
            return revoked

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
    if request.worker_pid not in (None, os.getpid()):
        _in_thread(_free, request)


def _give_up_reserved(request: Any) -> None:
    published = LockHeader.of(request.request_dict)
    if published is not None and published.token:
        in_background(partial(_try, _free_reserved, request))


def _in_thread(free: Callable[[Any, Terms], None], request: Any) -> None:
    # Not here: the parent must wait neither for the store nor for the child.
    Thread(target=_try, args=(free, request), name="unique_task", daemon=True).start()


def _try(free: Callable[[Any, Terms], None], request: Any) -> None:
    task = request.task
    try:
        published = LockHeader.of(request.request_dict)
        terms = rules_of(task).terms(task, published, request.args, request.kwargs)
        if terms is not None:
            free(request, terms)
    except LockStoreError:
        raise
    except Exception:  # of the key's callable, among others
        logger.exception("%s[%s]: its lock ends by its time", task.name, request.id)


def _free(request: Any, terms: Terms) -> None:
    """Free the lock that a task holds, once its process is gone."""
    lock = terms.plan.lock.run(terms.key, request.id)
    held = terms.backend.get(lock)
    if held is None or held.record.owner != request.id or not held.record.process:
        return
    if _ends(held.record.process) and terms.backend.release(lock, held.record.token):
        logger.info("%s[%s] died; its lock is free", request.task.name, request.id)


def _free_reserved(request: Any, terms: Terms) -> None:
    """Free the lock that was reserved for a message which no worker will run."""
    kind, published = terms.plan.lock, terms.published
    if published is not None and published.token and not kind.window:
        terms.backend.release(kind.reservation(terms.key), published.token)


def _ends(process: str) -> bool:
    """Wait until `process` is gone; False if it is not, or nothing tells."""
    end = time.monotonic() + _PATIENCE
    while not is_gone(process):
        if time.monotonic() > end:
            return False
        time.sleep(_LOOK_AGAIN)
    return True
