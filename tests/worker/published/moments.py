"""The table of the lock types: when is each held, and when are equal calls dropped?"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from tests.waiting import wait_until
from tests.worker.published.shelf import Shelf
from tests.worker.witness import Witness


class Cell(Enum):
    """Whether the lock is held, and whether an equal call is dropped at publish."""

    FREE = False, False
    HELD = True, True
    #: An equal call is sent, and meets the lock when it runs.
    RUNS = True, False


@dataclass(frozen=True)
class LockRow:
    """One lock type: while a task waits, runs, is between two tries, and has ended."""

    lock: str
    pending: Cell
    running: Cell
    between: Cell
    ended: Cell


FREE, HELD, RUNS = Cell
ROWS = [
    LockRow("while_executing", FREE, RUNS, FREE, FREE),
    LockRow("until_executing", HELD, FREE, FREE, FREE),
    LockRow("until_executed", HELD, HELD, HELD, FREE),
    LockRow("until_expired", HELD, HELD, HELD, HELD),
    LockRow("until_and_while_executing", HELD, RUNS, FREE, FREE),
]


@dataclass
class Life:
    """One call on its way; a moment in it is a method that leads there."""

    task: Any
    key: str
    shelf: Shelf
    retries: Shelf
    witness: Witness
    result: Any = None

    def pending(self) -> None:
        self._publish("return")

    def running(self) -> None:
        self._publish("return")
        self._start(self.shelf, 1)

    def after_self_retry(self) -> None:
        self._retry("retry")

    def after_autoretry(self) -> None:
        self._retry("autoretry")

    def in_second_try(self) -> None:
        self._retry("retry")
        self._start(self.retries, 2)

    def returned(self) -> None:
        self._publish("return")
        self._end(self.shelf, 1)

    def failed(self) -> None:
        self._publish("raise")
        self._end(self.shelf, 1)

    def returned_in_second_try(self) -> None:
        self._retry("autoretry")
        self._end(self.retries, 2)

    def _publish(self, how: str) -> None:
        self.result = self.shelf.put(self.task, self.key, how)

    def _start(self, queue: Shelf, tries: int) -> None:
        queue.deliver()
        wait_until(lambda: self.witness.runs(self.key) == tries)

    def _end(self, queue: Shelf, tries: int) -> None:
        self._start(queue, tries)
        self.witness.open(f"{self.key} {tries - 1}")
        wait_until(lambda: len(self.witness.states(self.result.id)) == tries)

    def _retry(self, how: str) -> None:
        self._publish(how)
        self._end(self.shelf, 1)


#: Each moment, and the column of the table that tells of it.
MOMENTS: list[tuple[Callable[[Life], None], str]] = [
    (Life.pending, "pending"),
    (Life.running, "running"),
    (Life.after_self_retry, "between"),
    (Life.after_autoretry, "between"),
    (Life.in_second_try, "running"),
    (Life.returned, "ended"),
    (Life.failed, "ended"),
    (Life.returned_in_second_try, "ended"),
]
