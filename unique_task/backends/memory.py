"""Locks within one process, for tests and demonstrations."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from socket import gethostname
from threading import RLock

from cachetools import TLRUCache

from ..forks import in_forks_of
from .cells import Cell, Cells
from .promises import Promises
from .stepwise import Answer, StepwiseBackend


class MemoryBackend(StepwiseBackend):
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
            found = {name: self._cells.get((name, key)) for name in names}
            cells = Cells(
                {name: cell for name, cell in found.items() if cell},
                self._timer(),
                self._next_fence(),
            )
            answer = step(cells)
            self._fence = cells.fence
            for name, cell in cells.changed.items():
                # A cache keeps the old cell if the new one has ended already.
                self._cells.pop((name, key), None)
                if cell is not None:
                    self._cells[name, key] = cell
            return answer

    def _next_fence(self) -> int:
        # More than the last one, also if the clock was set back.
        return max(time.time_ns() // 1000, self._fence + 1)
