"""A store whose clock and whose absence the test decides, and what is read of it."""

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.counting.counted import flushed
from unique_task import LockStoreError, MemoryBackend
from unique_task.counting.tally import count


class Store(MemoryBackend):
    """One that is seen by other processes, as far as metrics know.

    Attributes:
        away: whether it does not answer.
        asked: how often it was asked for anything.
    """

    shared = True

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.away, self.asked = False, 0

    def _answer(self) -> None:
        self.asked += 1
        if self.away:
            raise LockStoreError("away")

    def _holders(self, key: str) -> Any:
        self._answer()
        return super()._holders(key)

    def _now(self) -> float:
        self._answer()
        return super()._now()

    def _pages(self, size: int, prefix: str) -> Any:
        self._answer()
        return super()._pages(size, prefix)


def counted(
    store: Store, counter: str, times: int = 1, task: str = "work", **more: Any
) -> None:
    """Count something in a store, as a process does that brings it there at once."""
    for _ in range(times):
        count(store, task, counter, **more)
    assert flushed()


def values_in(text: str) -> dict[str, float]:
    """The values of a page of metrics, by ``name{label=value,...}``."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found
