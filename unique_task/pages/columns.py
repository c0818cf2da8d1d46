"""The columns of a table of counters: which there are, and what stands in a cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

from ..operating import Counters
from .words import duration


@dataclass(frozen=True)
class Column:
    """A column of a table of counters.

    Attributes:
        head: its first cell.
        of: returns what it shows of a task; None if there is nothing.
        is_mean: whether that is a mean of seconds; else it is a count.
    """

    head: str
    of: Callable[[Counters], float | None]
    is_mean: bool = False

    def total(self, counters: Counters | None) -> str:
        """Return what was counted in the whole time."""
        value = self._value(counters)
        if self.is_mean or value is None:
            return duration(value)
        return f"{value:.0f}"

    def rate(self, counters: Counters) -> str:
        """Return what was counted for each minute."""
        value = self._value(counters)
        if self.is_mean or value is None:
            return duration(value)
        return f"{value * 60 / counters.seconds:.1f}"

    def _value(self, counters: Counters | None) -> float | None:
        if counters is None:
            return None if self.is_mean else 0.0
        return self.of(counters)


def columns_of(found: Sequence[Counters]) -> list[Column]:
    """Return the columns that show some counters; but for runs, none that is empty."""
    return [
        column
        for column in _all(found)
        if column.head == "RUNS" or any(map(column.of, found))
    ]


def _all(found: Sequence[Counters]) -> Iterator[Column]:
    yield Column("RUNS", attrgetter("runs"))
    for policy in sorted({policy for one in found for policy in one.duplicates}):
        yield Column(policy.upper(), _duplicates(policy))
    yield Column("REPLACED", attrgetter("replaced"))
    yield Column("VALUES", attrgetter("cached"))
    yield Column("WAITS", attrgetter("waits"))
    yield Column("MEAN WAIT", attrgetter("mean_wait"), is_mean=True)
    yield Column("MEAN HELD", attrgetter("mean_held"), is_mean=True)
    yield Column("LOST", attrgetter("lost"))
    yield Column("ERRORS", attrgetter("store_errors"))
    yield Column("SHADOW", lambda one: sum(one.shadow.values()))


def _duplicates(policy: str) -> Callable[[Counters], float]:
    return lambda one: one.duplicates.get(policy, 0.0)
