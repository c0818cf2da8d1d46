"""Threads beside the tasks: how they start, take turns, and end with the process."""

from __future__ import annotations

import atexit
import logging
import sys
from collections.abc import Callable
from threading import RLock, Thread

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
    signals.worker_process_shutdown.connect(finish, dispatch_uid="unique_task end")
    for name in _FORKERS:
        if name in sys.modules:
            sys.modules[name].Finalize(None, finish, exitpriority=1)


class OneStep:
    """Lets only one thread at a time ask the store for something about one lock.

    The keeper's thread renews a lock, any thread may extend it, and mostly the task's
    thread releases it. Together they could leave a lock that no attempt holds::

        keeper, helper  renews, extends  ------------------>  no lock: takes it again
        task                               releases the lock ->

    So each of these is a step, and one step follows the other. A thread that releases
    or extends a lock waits for the step under way, by ``with``. The keeper does not
    wait: it leaves out a lock that is in the middle of another step, and renews all
    others. A released lock has no more steps. Receivers of signals are called after a
    step, not in it.

    Attributes:
        over: whether the lock was released.
    """

    over = False

    def __init__(self) -> None:
        # Reentrant, for a step in the handler of a signal in the middle of another.
        self._lock = RLock()

    def begin(self) -> bool:
        """Begin a step without waiting; return False if there is none to take now."""
        begun = self._lock.acquire(blocking=False)
        if begun and self.over:
            self.end()
            return False
        return begun

    def end(self) -> None:
        """End the step that this thread has begun."""
        self._lock.release()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
