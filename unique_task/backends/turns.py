"""Limits how many operations of one process run in a store at once."""

from __future__ import annotations

import queue
import time

from ..exceptions import LockStoreError
from ..forks import in_forks_of

#: Connections that a process opens to one server at most, unless the store sets that.
CONNECTIONS = 32


class Turns:
    """Lets `count` operations run at once; the others wait until one has ended.

    Without it, a thousand greenlets that start together would open a thousand
    connections, or fail where a pool has none left. A quarter of the turns is kept for
    operations that release or renew a lock: a task that ends must not wait behind all
    those that start.

    Arguments:
        name: of the store, for people.
        count: of operations, each of which takes one connection.
        timeout: seconds to wait for a turn at most; half of them if the store answers
            no operation meanwhile.
    """

    def __init__(self, name: str, count: int, timeout: float) -> None:
        self._name = name
        self.count = count
        self._timeout = timeout
        self._answers = 0
        self._fill()
        in_forks_of(self._fill)

    def _fill(self) -> None:
        # Reentrant, unlike a semaphore: a signal or the garbage collector may begin an
        # operation in the middle of another one.
        self._all, self._starts = queue.SimpleQueue[None](), queue.SimpleQueue[None]()
        for number in range(self.count):
            self._all.put(None)
            if number < max(1, self.count - self.count // 4):
                self._starts.put(None)

    def begin(self, urgent: bool) -> None:
        """Wait for a turn and take it.

        Arguments:
            urgent: go before operations that start something.

        Raises:
            LockStoreError: if no turn becomes free in time.
        """
        if not urgent:
            self._take(self._starts)
        try:
            self._take(self._all)
        except BaseException:
            if not urgent:
                self._starts.put(None)
            raise

    def end(self, urgent: bool, answered: bool) -> None:
        """Give a turn back; if the store has answered, others wait for longer."""
        if answered:
            self._answers += 1
        self._all.put(None)
        if not urgent:
            self._starts.put(None)

    def _take(self, turns: queue.SimpleQueue[None]) -> None:
        try:
            turns.get_nowait()
        except queue.Empty:
            self._wait_for(turns)

    def _wait_for(self, turns: queue.SimpleQueue[None]) -> None:
        begun, half = time.monotonic(), self._timeout / 2
        for _ in range(2):
            seen = self._answers
            try:
                return turns.get(timeout=half)
            except queue.Empty:
                if self._answers == seen:
                    break
        waited = time.monotonic() - begun
        raise LockStoreError(
            f"{self._name}: all {self.count} connections of this process were in use "
            f"for {waited:.1f} s: the store is slow, or this process has too much to do"
        )
