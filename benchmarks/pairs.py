"""Measures two ways to do one thing in turn, so that a disturbance affects both."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

#: Does its work and returns the seconds of one call.
Measure = Callable[[], float]


@dataclass(frozen=True)
class Pair:
    """The seconds of one call: ours, and of what it is compared with."""

    ours: float
    other: float


def in_pairs(ours: Measure, other: Measure, pairs: int, turns: int = 1) -> list[Pair]:
    """Measure both in turn, `pairs` times.

    Arguments:
        turns: how often the two take turns in a pair; many short turns give steadier
            numbers on a busy machine.
    """
    ours(), other()
    return [_pair(ours, other, turns) for _ in range(pairs)]


def timed(work: Callable[[], object], calls: int) -> Measure:
    """Return a measure of `work`, which makes so many calls, in this process."""

    def measure() -> float:
        started = time.perf_counter()
        work()
        return (time.perf_counter() - started) / calls

    return measure


def _pair(ours: Measure, other: Measure, turns: int) -> Pair:
    seconds = {ours: 0.0, other: 0.0}
    for turn in range(turns):
        # The first one may make the second one faster or slower.
        for measure in (ours, other) if turn % 2 else (other, ours):
            seconds[measure] += measure() / turns
    return Pair(seconds[ours], seconds[other])
