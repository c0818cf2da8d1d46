"""What a row has found: ours, plain Celery and the raw store side by side."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.numbers import number
from benchmarks.pairs import Pair


class Unmeasured(Exception):
    """A row cannot be measured here; the message says what it needs."""


@dataclass(frozen=True)
class Measured:
    """Medians of ours, plain Celery and the raw store, and the values for the goal.

    Attributes:
        values: what the goal is about: one for each pair, or one exact count.
        meaning: what the values are.
        unit: that of the three numbers side by side.
    """

    values: Sequence[float]
    meaning: str
    unit: str
    ours: float
    plain: float | None = None
    raw: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def spread(self) -> str:
        if len(self.values) == 1:
            return ""
        return f"{number(min(self.values))}..{number(max(self.values))}"


@dataclass(frozen=True)
class Unit:
    """How the seconds of one call are shown."""

    name: str
    of: Callable[[float], float]


MICROSECONDS = Unit("us", lambda seconds: seconds * 1e6)
PER_SECOND = Unit("tasks/s", lambda seconds: 1 / seconds)


def count(value: float, unit: str) -> Measured:
    """Return a number that stands for itself."""
    return Measured([value], unit, unit, value)


def time_over_raw(pairs: Sequence[Pair]) -> Measured:
    values = [pair.ours / pair.other for pair in pairs]
    ours, raw = _medians(pairs, MICROSECONDS)
    return Measured(values, "time over raw", MICROSECONDS.name, ours, raw=raw)


def time_over_plain(pairs: Sequence[Pair], unit: Unit = MICROSECONDS) -> Measured:
    values = [pair.ours / pair.other for pair in pairs]
    ours, plain = _medians(pairs, unit)
    return Measured(values, "time over plain", unit.name, ours, plain)


def rate_over_plain(pairs: Sequence[Pair], unit: Unit = MICROSECONDS) -> Measured:
    values = [pair.other / pair.ours for pair in pairs]
    ours, plain = _medians(pairs, unit)
    return Measured(values, "rate over plain", unit.name, ours, plain)


def added_to_plain(pairs: Sequence[Pair]) -> Measured:
    values = [MICROSECONDS.of(pair.ours - pair.other) for pair in pairs]
    ours, plain = _medians(pairs, MICROSECONDS)
    return Measured(values, "us more than plain", MICROSECONDS.name, ours, plain)


def rate_over(pairs: Sequence[Pair], other: str, unit: Unit = MICROSECONDS) -> Measured:
    """Compare ours with ours in other circumstances."""
    values = [pair.other / pair.ours for pair in pairs]
    ours, _ = _medians(pairs, unit)
    return Measured(values, f"rate over {other}", unit.name, ours)


def time_over(pairs: Sequence[Pair], other: str) -> Measured:
    """Compare ours with ours in other circumstances."""
    values = [pair.ours / pair.other for pair in pairs]
    ours, _ = _medians(pairs, MICROSECONDS)
    return Measured(values, f"time over {other}", MICROSECONDS.name, ours)


def _medians(pairs: Sequence[Pair], unit: Unit) -> tuple[float, float]:
    ours = statistics.median(pair.ours for pair in pairs)
    other = statistics.median(pair.other for pair in pairs)
    return unit.of(ours), unit.of(other)
