"""What the store of an app has counted, and stores that are away."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from celery import Celery

from unique_task import LockStoreError, LockStoreRefusedError, MemoryBackend
from unique_task.counting.tally import tally
from unique_task.operating import Counters, counters


def counted(app: Celery, task: str = "work") -> dict[str, float]:
    """The amounts of a task, without seconds, which nobody can foretell."""
    amounts = all_counted(app).get(task, {})
    return {name: amount for name, amount in amounts.items() if "seconds" not in name}


def all_counted(app: Celery) -> dict[str, Mapping[str, float]]:
    found = counters(app, minutes=2)
    return {one.task: one.amounts for one in found if isinstance(one, Counters)}


class Away(MemoryBackend):
    """A store that can be away, that can refuse, and that can lose its answers.

    Attributes:
        away, refuses, loses_answers: whether it does so now.
        flushes: the names under which amounts came, and how often each did.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.away = self.refuses = self.loses_answers = False
        self.flushes: Counter[str] = Counter()

    def _count(self, flush: str, amounts: Any, prefix: str) -> None:
        self.flushes[flush] += 1
        if self.away:
            raise LockStoreError("away")
        if self.refuses:
            raise LockStoreRefusedError("no right")
        super()._count(flush, amounts, prefix)
        if self.loses_answers:
            raise LockStoreError("its answer is lost")

    def _now(self) -> float:
        if self.away:
            raise LockStoreError("away")
        return super()._now()

    def amounts(self) -> dict[tuple[str, str], float]:
        """All that it has counted, by task and counter."""
        found: Counter[tuple[str, str]] = Counter()
        for row in self.counted(2).rows:
            found[row.task, row.name] += row.amount  # type: ignore[assignment]
        return dict(found)


def flushed() -> bool:
    """Flush what this process has counted; tell whether all is in its store."""
    return tally.flush(30)
