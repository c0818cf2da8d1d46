"""A row of the table of figures: what is measured, and what the goal is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.measured import Measured
from benchmarks.numbers import number
from benchmarks.stage import Stage


@dataclass(frozen=True)
class Goal:
    """A limit, and on which side of it a number has to stay: ``<=`` or ``>=``."""

    side: str
    limit: float

    def missed_by(self, value: float) -> float:
        """Return the part of the limit by which `value` misses it; 0 if it does not."""
        over = value - self.limit if self.side == "<=" else self.limit - value
        return max(0.0, over / self.limit) if self.limit else max(0.0, over)

    def verdict(self, value: float) -> str:
        if not self.side:
            return ""
        missed = self.missed_by(value)
        return f"missed by {missed:.0%}" if missed else "met"

    def __str__(self) -> str:
        return f"{self.side} {number(self.limit)}" if self.side else "none"


@dataclass(frozen=True)
class Row:
    """One row: `measure` starts on the stage what it needs."""

    name: str
    goal: Goal
    measure: Callable[[Stage], Measured]


def at_most(limit: float) -> Goal:
    return Goal("<=", limit)


def at_least(limit: float) -> Goal:
    return Goal(">=", limit)


def no_goal() -> Goal:
    return Goal("", math.nan)
