"""Two ways to do one thing, measured in turn so that a disturbance meets both."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Does its work and returns the seconds that it took.
Measure = Callable[[], float]


def costs(ours: Measure, plain: Measure, pairs: int) -> list[float]:
    """Return the time of `ours` as a multiple of that of `plain`, for each pair."""
    ours(), plain()
    return [_cost(ours, plain, swapped=number % 2 == 1) for number in range(pairs)]


def rates(ours: Measure, plain: Measure, pairs: int) -> list[float]:
    """Return the rate of `ours` as a part of that of `plain`, for each pair."""
    return [1 / cost for cost in costs(ours, plain, pairs)]


def timed(work: Callable[[], object]) -> Measure:
    """Return a measure of how long `work` takes in this process."""

    def measure() -> float:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    return measure


def _cost(ours: Measure, plain: Measure, swapped: bool) -> float:
    # The second of two may profit from, or suffer for, what the first one did.
    if swapped:
        seconds = plain()
        return ours() / seconds
    return ours() / plain()
