"""Frees locks for which nobody waits: one thread for each store, until it answers."""

from __future__ import annotations

import atexit
import logging
import sys
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from threading import Condition, Lock, Thread
from typing import Any
from weakref import WeakKeyDictionary

from celery import signals

from ..backends.base import Backend
from ..backends.steps import Heir
from ..exceptions import LockStoreError
from ..forks import in_forks
from ..threads import start_thread

logger = logging.getLogger(__name__)

#: Seconds for which a store that does not answer is asked again for one lock.
_PATIENCE = 600.0

#: Seconds between two questions to a store that does not answer: then, and when the
#: process ends.
_PAUSE = 0.5
_LAST_PAUSE = 0.05

#: Seconds for which a thread without work waits for more.
_IDLE = 5.0

#: Locks that may wait for one store; those that wait longest give way.
_MOST = 100_000

#: Modules whose child processes end without `atexit`, but call their finalizers.
_FORKERS = ("multiprocessing.util", "billiard.util")

_Job = tuple[Callable[[], object], float]


class Attendant:
    """Frees the locks of one store, one after the other.

    While the store does not answer, it is asked once in each pause, however many locks
    are to be freed there.
    """

    def __init__(self, store: str) -> None:
        self._store = store
        self._changed = Condition()
        self._jobs: deque[_Job] = deque()
        self._thread: Thread | None = None
        self._busy = False
        self._leaving = False

    def add(self, free: Callable[[], object]) -> None:
        """Call `free` soon."""
        with self._changed:
            if len(self._jobs) >= _MOST:
                self._jobs.popleft()
                logger.error(
                    "%s: more than %d locks are to be freed; one ends by its time",
                    *(self._store, _MOST),
                )
            self._jobs.append((free, time.monotonic() + _PATIENCE))
            self._changed.notify_all()
            if self._thread is None:
                self._start()

    def finish(self, end: float) -> int:
        """Wait until all locks are free, but not past `end`; return how many are not.

        Called when the process ends.
        """
        with self._changed:
            self._leaving = True
            self._changed.notify_all()
            if self._jobs and self._thread is None:
                self._start()
            while self._pending and self._thread and end > time.monotonic():
                self._changed.wait(end - time.monotonic())
            return self._pending

    @property
    def _pending(self) -> int:
        return len(self._jobs) + self._busy

    def _start(self) -> None:
        # Where it cannot be started, the next lock tries again.
        self._thread = start_thread(self._attend, "unique_task free")

    def _attend(self) -> None:
        try:
            while job := self._next():
                self._do(job)
        finally:
            with self._changed:
                self._thread, self._busy = None, False
                self._changed.notify_all()

    def _next(self) -> _Job | None:
        """Wait for a job; None if none comes for a while."""
        with self._changed:
            self._busy = False
            self._changed.notify_all()
            if not self._jobs:
                self._changed.wait_for(lambda: self._jobs, _IDLE)
            if not self._jobs:
                # In the same breath: what comes now starts another thread.
                self._thread = None
                return None
            self._busy = True
            return self._jobs.popleft()

    def _do(self, job: _Job) -> None:
        free, _ = job
        try:
            free()
        except LockStoreError as error:
            self._try_later(job, error)
        except Exception:
            logger.exception("a lock could not be freed, and ends by its time")

    def _try_later(self, job: _Job, error: LockStoreError) -> None:
        with self._changed:
            # To the end: another part of the store may answer.
            self._jobs.append(job)
            now = time.monotonic()
            waiting = [job for job in self._jobs if job[1] > now]
            given_up = len(self._jobs) - len(waiting)
            self._jobs = deque(waiting)
            self._busy = False
            self._changed.wait_for(
                lambda: self._leaving, _LAST_PAUSE if self._leaving else _PAUSE
            )
        if given_up:
            logger.warning(
                "%d locks could not be freed, and end by time: %s", given_up, error
            )


class Background:
    """The attendants of this process."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start anew: what its parent has to free is none of a fork's business."""
        self._mutex = Lock()
        self._attendants: WeakKeyDictionary[Backend, Attendant] = WeakKeyDictionary()
        self._ends_at: float | None = None
        self._hooked = self._told = False

    def add(self, backend: Backend, free: Callable[[], object]) -> None:
        with self._mutex:
            if not self._hooked:
                self._hooked = True
                _call_at_end(self.finish)
            attendant = self._attendants.get(backend)
            if attendant is None:
                attendant = self._attendants[backend] = Attendant(backend.name)
        attendant.add(free)

    def finish(self, **_: Any) -> None:
        """Free what is left to free before the process ends, in bounded time.

        That is the time of one operation of the slowest store, in all: several hooks
        may call it, one after the other.
        """
        attendants = list(self._attendants.items())
        if self._ends_at is None:
            longest = max((backend.timeout for backend, _ in attendants), default=0.0)
            self._ends_at = time.monotonic() + longest
        left = sum(attendant.finish(self._ends_at) for _, attendant in attendants)
        if left and not self._told:
            self._told = True
            logger.warning(
                "the process ends before %d locks are free, which end by time", left
            )


def _call_at_end(finish: Callable[..., None]) -> None:
    """Call `finish` when this process ends, whichever way it does."""
    atexit.unregister(finish)  # a fork has inherited it
    atexit.register(finish)
    # The children of a worker end by os._exit().
    signals.worker_process_shutdown.connect(finish, dispatch_uid="unique_task free")
    for name in _FORKERS:
        if name in sys.modules:
            sys.modules[name].Finalize(None, finish, exitpriority=1)


_background = Background()

in_forks(_background.forget)


def in_background(backend: Backend, free: Callable[[], object]) -> None:
    """Call `free` soon, and again for ten minutes while `backend` does not answer.

    It does not raise, and does not wait for the store.
    """
    _background.add(backend, free)


def release_later(
    backend: Backend, key: str, token: str, heir: Heir | None = None
) -> None:
    """Free a lock in the background; see :meth:`Backend.release`."""
    in_background(backend, partial(backend.release, key, token, heir=heir))
