"""Threads beside the tasks: how they start, and end with the process."""

from __future__ import annotations

import atexit
import logging
import sys
from collections.abc import Callable
from threading import Thread

from celery import signals

logger = logging.getLogger(__name__)

#: Modules whose child processes end without `atexit`, but call their finalizers.
_FORKERS = ("multiprocessing.util", "billiard.util")


def start_thread(work: Callable[[], object], name: str) -> Thread | None:
    """Start a thread that ends with the process; return None if that fails.

    A process or a user may have reached a limit of threads for now. That is logged, and
    no task fails because of it: the caller tries again on the next occasion.
    """
    thread = Thread(target=work, name=name, daemon=True)
    try:
        thread.start()
    except (RuntimeError, MemoryError) as error:
        logger.warning("the thread %r cannot be started for now: %s", name, error)
        return None
    return thread


def call_at_end(finish: Callable[..., None]) -> None:
    """Call `finish` when this process ends, in whichever way it does."""
    atexit.unregister(finish)  # a fork has inherited it
    atexit.register(finish)
    # The children of a worker end by os._exit().
    signals.worker_process_shutdown.connect(
        finish, dispatch_uid=f"unique_task {getattr(finish, '__qualname__')}"
    )
    for name in _FORKERS:
        if name in sys.modules:
            sys.modules[name].Finalize(None, finish, exitpriority=1)
