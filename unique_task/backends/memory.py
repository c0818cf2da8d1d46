"""Locks within one process, for tests and demonstrations."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from operator import attrgetter
from socket import gethostname
from threading import RLock

from cachetools import TLRUCache

from ..forks import in_forks_of
from .cells import LOCK, Cell, Cells, Crowd, is_holder
from .counting import CountedMinute, Counter, Counts
from .listing import MOST_HOLDERS, ListedLock, Lists, listed
from .memory_counters import MemoryCounters
from .places import places_of
from .promises import Promises
from .stepwise import Answer, StepwiseBackend


class MemoryBackend(StepwiseBackend, Lists, Counts):
    """Locks in this process; other processes do not see them.

    Arguments:
        timer: returns seconds that never go back; a test passes another one.

    >>> backend = MemoryBackend()
    >>> backend.acquire("key", Record("task-1/0/0//a"), expire=10)
    Acquired(fence=...)
    """

    name = "memory://"
    shared = False

    promises = Promises(
        clock="the process's",
        granularity=1e-6,
        restart="none",
        several_holders=True,
        lists=True,
        counts=True,
        warning="locks in memory hold within one process: duplicates in other "
        "processes, such as the children of a prefork pool, are not seen; set "
        "unique_backend",
    )

    def __init__(self, timer: Callable[[], float] = time.monotonic) -> None:
        self._timer = timer
        self._fence = 0
        self._unlock()
        in_forks_of(self._unlock)
        # Unbounded: an evicted lock would be a lock given to two tasks.
        self._cells: TLRUCache[tuple[str, str], Cell] = TLRUCache(
            maxsize=math.inf, ttu=lambda _, cell, now: cell.end, timer=timer
        )
        self._holders_of: TLRUCache[str, Holders] = TLRUCache(
            maxsize=math.inf, ttu=lambda _, holders, now: holders.end, timer=timer
        )
        self._counters = MemoryCounters(timer)

    @classmethod
    def from_url(cls, url: str, timeout: float) -> MemoryBackend:
        return cls()

    def _unlock(self) -> None:
        # Another thread of the parent may have held it during the fork.
        self._mutex = RLock()

    def _identity(self) -> str:
        return f"{self.name}{gethostname()}/{os.getpid()}/{id(self)}"

    def _change(
        self, key: str, names: Sequence[str], step: Callable[[Cells], Answer]
    ) -> Answer:
        with self._mutex:
            cells = Cells(self._found(key, names), self._timer(), self._next_fence())
            answer = step(cells)
            self._write(key, cells)
            return answer

    def _change_places(
        self, key: str, names: Sequence[str], step: Callable[[Cells], Answer]
    ) -> Answer:
        with self._mutex:
            now, holders = self._timer(), self._holders_of.get(key) or Holders()
            crowd = holders.living(now)
            found = {**self._found(key, names), **holders.named(names)}
            cells = Cells(found, now, self._next_fence(), crowd=crowd)
            answer = step(cells)
            for name in filter(is_holder, list(cells.changed)):
                holders.put(name, cells.changed.pop(name))
            self._write(key, cells)
            self._holders_of.pop(key, None)
            if holders:
                self._holders_of[key] = holders
            return answer

    def _pages(self, size: int, prefix: str) -> Iterator[Sequence[ListedLock]]:
        with self._mutex:
            # The same texts as in the cells: this costs little, also for many locks.
            kept = [key for name, key in self._cells if name == LOCK]
        keys = [key for key in kept if key.startswith(prefix)]
        for first in range(0, len(keys), size):
            yield [
                lock
                for key in keys[first : first + size]
                for lock in self._listed_lock(key, key[len(prefix) :])
            ]

    def _listed_lock(self, key: str, name: str) -> Sequence[ListedLock]:
        with self._mutex:
            now, holders = self._timer(), self._holders_of.get(key) or Holders()
            found = self._found(key, [LOCK])
            cells = Cells(found, now, self._fence, crowd=holders.living(now))
            places, lock = places_of(cells, 1), cells.get(LOCK)
            remaining = 0.0 if lock is None else lock.end - now
            return listed(name, remaining, lambda: places.holders(MOST_HOLDERS))

    def _count(self, flush: str, amounts: Mapping[Counter, float], prefix: str) -> None:
        with self._mutex:
            self._counters.add(flush, amounts, prefix)

    def _now(self) -> float:
        return self._counters.now()

    def _counted_pages(
        self, minutes: range, prefix: str
    ) -> Iterator[Sequence[CountedMinute]]:
        for minute in minutes:
            with self._mutex:
                page = list(self._counters.of_minute(minute, prefix))
            yield page

    def _found(self, key: str, names: Sequence[str]) -> dict[str, Cell]:
        found = {name: self._cells.get((name, key)) for name in names}
        return {name: cell for name, cell in found.items() if cell}

    def _write(self, key: str, cells: Cells) -> None:
        self._fence = cells.fence
        for name, cell in cells.changed.items():
            # A cache keeps the old cell if the new one has ended already.
            self._cells.pop((name, key), None)
            if cell is not None:
                self._cells[name, key] = cell

    def _next_fence(self) -> int:
        # More than the last one, also if the clock was set back.
        return max(time.time_ns() // 1000, self._fence + 1)


class Holders:
    """The cells of the holders of one lock, sorted as far as it takes to end them.

    Attributes:
        end: of the last of them, or later.
    """

    def __init__(self) -> None:
        self.end = 0.0
        self._cells: dict[str, Cell] = {}
        # A heap, in which the ends that a holder had before stay for a while.
        self._ends: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._cells)

    def named(self, names: Sequence[str]) -> dict[str, Cell]:
        return {name: self._cells[name] for name in names if name in self._cells}

    def living(self, now: float) -> Crowd:
        """Forget those whose time has ended, and show the others to a step."""
        while self._ends and not self._ends_later(*self._ends[0], now):
            _, name = heappop(self._ends)
            cell = self._cells.get(name)
            if cell is not None and cell.end <= now:
                del self._cells[name]
        return Crowd(self.__len__, self._ending)

    def _ends_later(self, end: float, name: str, now: float) -> bool:
        cell = self._cells.get(name)
        return cell is not None and cell.end == end > now

    def _ending(self, most: int | None) -> list[Cell]:
        if most == 1:
            return [self._cells[name] for _, name in self._ends[:1]]
        return sorted(self._cells.values(), key=attrgetter("end"))[:most]

    def put(self, name: str, cell: Cell | None) -> None:
        """Keep the cell of a holder; None for one that has left."""
        self._cells.pop(name, None)
        if cell is None:
            return
        self._cells[name] = cell
        self.end = max(self.end, cell.end)
        heappush(self._ends, (cell.end, name))
        if len(self._ends) > 2 * len(self) + 8:
            self._ends = [(cell.end, name) for name, cell in self._cells.items()]
            heapify(self._ends)
