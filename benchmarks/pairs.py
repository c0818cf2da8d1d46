"""Measures two ways to do one thing in turn, so that a disturbance affects both."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Does its work and returns the seconds that it took.
Measure = Callable[[], float]


def costs(ours: Measure, plain: Measure, pairs: int, turns: int = 1) -> list[float]:
    """Return the time of `ours` as a multiple of that of `plain`, for each pair.

    Arguments:
        turns: how often the two take turns in a pair; many short turns give steadier
            numbers on a busy machine.
    """
    ours(), plain()
    return [_cost(ours, plain, turns) for _ in range(pairs)]


def rates(ours: Measure, plain: Measure, pairs: int, turns: int = 1) -> list[float]:
    """Return the rate of `ours` as a part of that of `plain`, for each pair."""
    return [1 / cost for cost in costs(ours, plain, pairs, turns)]


def timed(work: Callable[[], object]) -> Measure:
    """Return a measure of how long `work` takes in this process."""

    def measure() -> float:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    return measure


def _cost(ours: Measure, plain: Measure, turns: int) -> float:
    seconds = {ours: 0.0, plain: 0.0}
    for turn in range(turns):
        # The first one may make the second one faster or slower.
        for measure in (ours, plain) if turn % 2 else (plain, ours):
            seconds[measure] += measure()
    return seconds[ours] / seconds[plain]
