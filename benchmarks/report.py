"""Prints one line for each number, with its budget: at most or at least so much."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

_LINE = "{:<60} {:>9} {:>19} {:>10}  {}"


@dataclass(frozen=True)
class Budget:
    """A limit, and on which side of it a number has to stay: ``<=`` or ``>=``."""

    side: str
    limit: float

    def missed_by(self, value: float) -> float:
        """Return the part of the limit by which `value` misses it; 0 if it does not."""
        if not self.side:
            return 0.0
        over = value - self.limit if self.side == "<=" else self.limit - value
        return max(0.0, over / self.limit) if self.limit else max(0.0, over)

    def __str__(self) -> str:
        return f"{self.side} {_number(self.limit)}" if self.side else "none"


def unlimited() -> Budget:
    return Budget("", math.inf)


def at_most(limit: float) -> Budget:
    return Budget("<=", limit)


def at_least(limit: float) -> Budget:
    return Budget(">=", limit)


@dataclass(frozen=True)
class Row:
    """One measurement; `values` has one number for each pair, or one exact count."""

    name: str
    values: Sequence[float]
    budget: Budget
    missing: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def __str__(self) -> str:
        budget = str(self.budget)
        if not self.values:
            return _LINE.format(self.name, "-", "", budget, self.missing)
        middle = _number(self.median)
        return _LINE.format(self.name, middle, self._spread, budget, self._verdict)

    @property
    def _spread(self) -> str:
        if len(self.values) == 1:
            return ""
        return f"{_number(min(self.values))}..{_number(max(self.values))}"

    @property
    def _verdict(self) -> str:
        if not self.budget.side:
            return ""
        missed = self.budget.missed_by(self.median)
        return f"missed by {missed:.1%}" if missed else "met"


def heading() -> str:
    return _LINE.format("", "median", "min..max", "budget", "")


def _number(value: float) -> str:
    # Counts in full, ratios with as many digits as a pair can measure.
    return (
        f"{value:,.0f}" if float(value).is_integer() or value > 99 else f"{value:.2f}"
    )
