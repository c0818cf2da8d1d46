"""Counts what happens to calls, and brings it to the stores off the tasks' path."""

from __future__ import annotations

import logging
import time
from collections import deque
from threading import Condition, RLock, Thread, current_thread
from typing import Any, cast

from ..backends.base import Backend
from ..backends.counting import Counts
from ..exceptions import LockStoreRefusedError
from ..forks import in_forks
from ..threads import call_at_end, start_thread
from .ledger import Ledger

logger = logging.getLogger(__name__)

#: Seconds from one flush to the next, and for which a thread without work looks on.
_INTERVAL = 5.0
_IDLE = 60.0

#: Seconds that a process which ends waits for its last flush, at most.
_AT_END = 2.0

#: Seconds for which a store that refuses counters is left alone.
_PAUSE = 600.0

#: Entries that may wait for a thread to start; the oldest goes for a new one.
_MOST = 100_000

_Entry = tuple[Backend, str, str, "float | None"]


class Tally:
    """What this process has counted.

    To count is to add one entry, in one step and without a lock: it waits for nobody,
    and a signal that breaks off the task leaves nothing locked. A thread adds the
    entries up and flushes them. It starts with the first entry, and ends when there has
    been none for a while. Both announce first and look after that::

        thread  has ended | reads the entries: goes on if there is one
        task    adds an entry | reads the thread: starts one if it has ended

    Attributes:
        interval: seconds from one flush to the next.
    """

    def __init__(self, interval: float = _INTERVAL) -> None:
        self.interval = interval
        # The stores that refuse, and until when they are left alone. Forks inherit it:
        # what a person has to mend, that person reads once.
        self._refusals: dict[Backend, float] = {}
        self.forget()

    def forget(self) -> None:
        """Start empty in a fork: its parent flushes what it has counted."""
        self._entries: deque[_Entry] = deque(maxlen=_MOST)
        # As the keeper's: reentrant, and taken directly.
        self._lock = RLock()
        self._changed = Condition(self._lock)
        self._thread: Thread | None = None
        self._asked = self._flushed = 0
        # Only for the thread, and held by it: two may overlap, if a signal breaks off
        # the start of the first.
        self._summing_up = RLock()
        self._ledgers: dict[Backend, Ledger] = {}
        self._ends_at: float | None = None
        self._hooked = self._warned = False

    def count(
        self, backend: Backend, task: str, counter: str, seconds: float | None = None
    ) -> None:
        """Count something that has happened to a call.

        This takes no lock and asks no store. Where the store keeps no counters, nothing
        is counted.

        Arguments:
            backend: where the lock of the call is.
            task: name of the task.
            counter: one of :mod:`.names`.
            seconds: that it took, for a counter that has :data:`.SECONDS_OF`.
        """
        if backend.promises.counts:
            self._entries.append((backend, task, counter, seconds))
            if self._thread is None:
                self._start()

    def flush(self, seconds: float) -> bool:
        """Flush at once, and wait for that at most so long.

        Returns:
            Whether the stores have all that was counted before.
        """
        end = time.monotonic() + seconds
        with self._lock:
            self._asked += 1
            asked = self._asked
            self._changed.notify_all()
            if self._thread is None and (self._entries or self._ledgers):
                self._start()
            while self._thread and self._flushed < asked and end > time.monotonic():
                self._changed.wait(end - time.monotonic())
            return not (self._entries or self._ledgers)

    def drop(self) -> None:
        """Forget what is counted and not flushed yet, as for a test."""
        with self._summing_up:
            self._entries.clear()
            self._ledgers.clear()
            self._refusals.clear()

    def finish(self, **_: Any) -> None:
        """Flush before the process ends.

        Several hooks may call this, one after the other; all together take 2 s at most.
        """
        if self._ends_at is None:
            self._ends_at = time.monotonic() + _AT_END
        if not self.flush(self._ends_at - time.monotonic()) and not self._warned:
            self._warned = True
            logger.warning("the process ends, and what it counted last is dropped")

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None:
                return
            if not self._hooked:
                self._hooked = True
                call_at_end(self.finish)
            # Where it cannot be started, the next entry tries again.
            self._thread = start_thread(self._run, "unique_task counters")

    def _run(self) -> None:
        try:
            while (asked := self._next()) is not None:
                with self._summing_up:
                    self._add_up()
                    self._flush()
                with self._lock:
                    self._flushed = asked
                    self._changed.notify_all()
        finally:
            with self._lock:
                if self._thread is current_thread():
                    self._thread = None
                self._changed.notify_all()

    def _next(self) -> int | None:
        """Wait for the next flush; None if this thread has to end.

        Returns:
            How many flushes were asked for, this one included.
        """
        end = time.monotonic() + _IDLE
        with self._lock:
            while self._is_current():
                if self._asked == self._flushed:
                    self._changed.wait(self.interval)
                if self._asked != self._flushed or self._entries or self._ledgers:
                    return self._asked
                if time.monotonic() >= end:
                    self._thread = None
        return None

    def _is_current(self) -> bool:
        """Tell whether this thread is the one that flushes, or has to be."""
        if self._thread is None and self._entries:
            self._thread = current_thread()
        return self._thread is current_thread()

    def _add_up(self) -> None:
        if len(self._entries) == _MOST:
            logger.error("more than %d counts waited: the oldest are dropped", _MOST)
        for _ in range(len(self._entries)):  # not of those that come meanwhile
            backend, task, counter, seconds = self._entries.popleft()
            if time.monotonic() < self._refusals.get(backend, 0.0):
                continue
            if backend not in self._ledgers:
                # It promises to be one.
                self._ledgers[backend] = Ledger(cast(Counts, backend))
            self._ledgers[backend].add(task, counter, seconds)

    def _flush(self) -> None:
        # A store that is away takes its time: the others first.
        ledgers = sorted(self._ledgers.items(), key=lambda item: item[1].away)
        for backend, ledger in ledgers:
            if backend.current() is not backend:
                # Of a test that is over; a file of SQLite would be there again.
                del self._ledgers[backend]
                continue
            try:
                ledger.flush()
            except LockStoreRefusedError as error:
                self._leave_alone(backend, error)
                continue
            if ledger.is_empty:
                self._refusals.pop(backend, None)
                del self._ledgers[backend]

    def _leave_alone(self, backend: Backend, error: LockStoreRefusedError) -> None:
        """Drop the counters of a store that refuses them, and those of a while."""
        if backend not in self._refusals:
            logger.warning("nothing is counted until somebody mends it: %s", error)
        self._refusals[backend] = time.monotonic() + _PAUSE
        del self._ledgers[backend]


#: The tally of this process.
tally = Tally()

in_forks(tally.forget)

#: A function, for those who count: see :meth:`Tally.count`.
count = tally.count
