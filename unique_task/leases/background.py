"""Releases locks: at once, or in a thread of each store once the store answers."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from threading import Condition, Lock, RLock, Thread
from typing import Any
from weakref import WeakKeyDictionary

from celery import Task

from ..backends.base import Backend
from ..backends.shadow import is_of_shadow
from ..backends.steps import Release
from ..exceptions import LockStoreError
from ..forks import in_forks
from ..threads import call_at_end, start_thread

logger = logging.getLogger(__name__)

#: Seconds for which the release of one lock is tried again.
_PATIENCE = 600.0

#: Seconds between two requests to a store that does not answer; the second, shorter
#: one is for a process that ends.
_PAUSE = 0.5
_LAST_PAUSE = 0.05

#: Seconds for which a thread without work waits for more.
_IDLE = 5.0

#: Locks that may wait for one store; the oldest is dropped for a new one.
_MOST = 100_000

#: Bytes of a value that some stores refuse, mostly without a reason.
_BIG = 2**18

_Job = tuple[Callable[[], object], float]


class StoreReleases:
    """Releases the locks of one store, one after the other.

    While the store does not answer, it gets one request in each pause, however many
    locks wait.
    """

    def __init__(self, store: str) -> None:
        self._store = store
        # Taken directly, as the keeper's.
        self._lock = RLock()
        self._changed = Condition(self._lock)
        self._jobs: deque[_Job] = deque()
        self._thread: Thread | None = None
        self._busy = False
        self._ending = False

    def add(self, release: Callable[[], object]) -> None:
        """Call `release` soon."""
        with self._lock:
            if len(self._jobs) >= _MOST:
                self._jobs.popleft()
                logger.error(
                    "%s: more than %d locks wait for release; one ends by its time",
                    *(self._store, _MOST),
                )
            self._jobs.append((release, time.monotonic() + _PATIENCE))
            self._changed.notify_all()
            if self._thread is None:
                self._start()

    def finish(self, end: float) -> int:
        """Wait until all locks are released, at most until `end`.

        Called when the process ends.

        Returns:
            How many locks are not released by then.
        """
        with self._lock:
            self._ending = True
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
        self._thread = start_thread(self._work, "unique_task release")

    def _work(self) -> None:
        try:
            while job := self._next():
                self._do(job)
        finally:
            with self._lock:
                self._thread, self._busy = None, False
                self._changed.notify_all()

    def _next(self) -> _Job | None:
        """Wait for a job; None if none comes for a while."""
        with self._lock:
            self._busy = False
            self._changed.notify_all()
            if not self._jobs:
                self._changed.wait_for(lambda: self._jobs, _IDLE)
            if not self._jobs:
                # Under the same lock: a job that is added now starts another thread.
                self._thread = None
                return None
            self._busy = True
            return self._jobs.popleft()

    def _do(self, job: _Job) -> None:
        release, _ = job
        try:
            release()
        except LockStoreError as error:
            self._try_later(job, error)
        except Exception:
            logger.exception("a lock could not be released, and ends by its time")

    def _try_later(self, job: _Job, error: LockStoreError) -> None:
        with self._lock:
            # To the end: another part of the store may answer.
            self._jobs.append(job)
            now = time.monotonic()
            waiting = [job for job in self._jobs if job[1] > now]
            dropped = len(self._jobs) - len(waiting)
            self._jobs = deque(waiting)
            self._busy = False
            self._changed.wait_for(
                lambda: self._ending, _LAST_PAUSE if self._ending else _PAUSE
            )
        if dropped:
            logger.warning(
                "%d locks could not be released, and end by time: %s", dropped, error
            )


class Background:
    """The locks that this process has yet to release, by store."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start empty in a fork: its parent releases the locks that wait."""
        self._mutex = Lock()
        self._stores: WeakKeyDictionary[Backend, StoreReleases] = WeakKeyDictionary()
        self._ends_at: float | None = None
        self._hooked = self._warned = False

    def add(self, backend: Backend, release: Callable[[], object]) -> None:
        with self._mutex:
            if not self._hooked:
                self._hooked = True
                call_at_end(self.finish)
            releases = self._stores.get(backend)
            if releases is None:
                releases = self._stores[backend] = StoreReleases(backend.name)
        releases.add(release)

    def finish(self, **_: Any) -> None:
        """Release the locks that wait, before the process ends.

        Several hooks may call this, one after the other. All calls together take at
        most the time of one operation of the slowest store.
        """
        stores = list(self._stores.items())
        if self._ends_at is None:
            longest = max((backend.timeout for backend, _ in stores), default=0.0)
            self._ends_at = time.monotonic() + longest
        left = sum(releases.finish(self._ends_at) for _, releases in stores)
        if left and not self._warned:
            self._warned = True
            logger.warning(
                "the process ends before %d locks are released, which end by time", left
            )


_background = Background()

in_forks(_background.forget)


def in_background(backend: Backend, release: Callable[[], object]) -> None:
    """Call `release` soon, and again for ten minutes while `backend` does not answer.

    This does not raise, and does not wait for the store.
    """
    _background.add(backend, release)


def release_later(backend: Backend, release: Release) -> None:
    """Release a lock in the background; see :meth:`Backend.release`."""
    in_background(backend, partial(backend.release_as, release))


def release_or_later(
    backend: Backend, release: Release, task: Task, owner: str, end: float
) -> bool | None:
    """Release a lock, now or in the background; never raise.

    Arguments:
        task: whose call `owner` holds the lock, for the log.
        end: when the lock ends by time, by the monotonic clock.

    Returns:
        Whether it was still held; None if the store does not answer.
    """
    try:
        return backend.release_as(release)
    except LockStoreError as error:
        if release.value is not None and len(release.value) > _BIG:
            logger.warning(
                "%s[%s]: its value of %d bytes is not kept for duplicates: %s",
                *(task.name, owner, len(release.value), error),
            )
            release = replace(release, value=None)
            held = release_or_later(backend, release, task, owner, end)
            # Only the answer may have been late: then the lock is released already.
            return None if held is None else True
        if not is_of_shadow(backend):
            logger.warning(
                "%s[%s] could not release its lock, which ends in %.1f s at most: %s",
                *(task.name, owner, max(0.0, end - time.monotonic()), error),
            )
        key, token, heir = release.key, release.token, release.heir
        release_later(backend, Release(key, token, heir=heir, limit=release.limit))
        return None
