"""How many operations of one process a store has under way at once."""

from __future__ import annotations

import queue
import time

from ..exceptions import LockStoreError
from ..forks import in_forks_of

#: Connections that a process has to one server at most, where a store does not say.
CONNECTIONS = 32


class Turns:
    """Lets so many operations through at once; others wait until one has ended.

    A thousand greenlets that start together would else open a thousand connections, or
    fail where a pool has none left. Some turns are kept for what frees or renews a
    lock: whoever ends must not wait behind all those who start.

    Arguments:
        name: of the store, for people.
        count: of operations, each of which takes one connection.
        timeout: seconds for which one waits at most; half of them if the store answers
            nobody meanwhile.
    """

    def __init__(self, name: str, count: int, timeout: float) -> None:
        self._name = name
        self.count = count
        self._timeout = timeout
        self._answered = 0.0
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

    def one(self, first: bool) -> Turn:
        """Return a block that waits for its turn.

        Arguments:
            first: whether it goes before what starts.

        Raises:
            LockStoreError: if all turns are taken for too long.
        """
        return Turn(self, first)

    def begin(self, first: bool) -> None:
        """Wait for a turn."""
        if not first:
            self._take(self._starts)
        try:
            self._take(self._all)
        except BaseException:
            self._give_back_start(first)
            raise

    def end(self, first: bool, answered: bool) -> None:
        """Give a turn back; if the store has answered, others wait for longer."""
        if answered:
            self._answered = time.monotonic()
        self._all.put(None)
        self._give_back_start(first)

    def _give_back_start(self, first: bool) -> None:
        if not first:
            self._starts.put(None)

    def _take(self, turns: queue.SimpleQueue[None]) -> None:
        try:
            turns.get(block=False)
        except queue.Empty:
            self._wait_for(turns)

    def _wait_for(self, turns: queue.SimpleQueue[None]) -> None:
        begun, half = time.monotonic(), self._timeout / 2
        for _ in range(2):
            seen = self._answered
            try:
                return turns.get(timeout=half)
            except queue.Empty:
                if self._answered == seen:
                    break
        waited = time.monotonic() - begun
        raise LockStoreError(
            f"{self._name}: all {self.count} connections of this process were in use "
            f"for {waited:.1f} s: the store is slow, or this process has too much to do"
        )


class Turn:
    """A block that one of the :class:`Turns` is for."""

    # A context manager made of a generator would cost several times as much.
    __slots__ = ("_first", "_turns")

    def __init__(self, turns: Turns, first: bool) -> None:
        self._turns = turns
        self._first = first

    def __enter__(self) -> None:
        self._turns.begin(self._first)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._turns.end(self._first, kind is None)
