"""Calls that wait for one key: whether a body always runs, and who waits longest."""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from benchmarks.hot_bodies import ARRIVALS, RUNS
from benchmarks.hot_round import Round, Run
from benchmarks.lane import Lane
from benchmarks.measured import Measured
from benchmarks.row import Goal, Row, at_least, at_most, no_goal
from benchmarks.stage import Stage
from tests.waiting import wait_until

#: Rounds of a row; each may take a minute.
ROUNDS = 3

#: If the bench is to be quick, a round has one of so many calls.
QUICK = 5

#: Seconds that a round may take in which the key is free most of the time.
PATIENCE = 600.0

#: Longest of the random lengths, in seconds.
LONGEST = 2.5


@dataclass(frozen=True)
class Case:
    """Calls of one key, published at once.

    Attributes:
        lengths: seconds of the bodies, in the order of publishing.
        processes: how many each of the workers has that share the calls.
    """

    name: str
    lengths: tuple[float, ...]
    processes: tuple[int, ...] = (4,)
    app: str = "hot_app"

    def calls(self, quick: bool) -> list[tuple[int, float]]:
        """Return the arguments of the calls: their numbers and lengths."""
        lengths = self.lengths[: len(self.lengths) // QUICK if quick else None]
        return list(enumerate(lengths))


def random_lengths(calls: int, mean: float) -> tuple[float, ...]:
    """Return the same lengths each time: many short ones, and a few long ones."""
    source = random.Random(1)
    drawn = [min(source.expovariate(1 / mean), LONGEST) for _ in range(calls)]
    return tuple(length * mean / statistics.mean(drawn) for length in drawn)


SHORT = Case("100 calls of 0.1 s", (0.1,) * 100)
LONG = Case("20 calls of 1 s", (1.0,) * 20)
RANDOM = Case("100 calls of random length", random_lengths(100, mean=0.5))
TWO_WORKERS = Case("100 calls of 0.1 s, two workers", SHORT.lengths, (2, 2))
RECIPE = Case("100 calls of 0.1 s, self.retry", SHORT.lengths, app="recipe_app")


def _in_use(case: Case, stage: Stage) -> Measured:
    rounds = _rounds(case, stage)
    values = [one.in_use for one in rounds]
    makespan = statistics.median(one.makespan for one in rounds)
    return Measured(values, "run time / makespan", "s", makespan)


def _arrivals(case: Case, stage: Stage) -> Measured:
    values = [one.arrivals_a_run for one in _rounds(case, stage)]
    return Measured(values, "arrivals", "arrivals", statistics.median(values))


def _longest(case: Case, stage: Stage) -> Measured:
    return _waits(case, stage, lambda one: one.longest_over_in_order)


def _worst(case: Case, stage: Stage) -> Measured:
    return _waits(case, stage, lambda one: one.worst_over_in_order)


def _waits(case: Case, stage: Stage, value: Callable[[Round], float]) -> Measured:
    rounds = _rounds(case, stage)
    longest = statistics.median(one.longest_wait for one in rounds)
    return Measured([value(one) for one in rounds], "time over in order", "s", longest)


@cache
def _rounds(case: Case, stage: Stage) -> Sequence[Round]:
    """Return the rounds of which several rows show figures."""
    calls = case.calls(quick=stage.pairs == 1)
    lane = stage.lane("prefork", case.app, case.processes)
    # Each process loads what a first run needs.
    warm_up = [(number, 0.01) for number in range(2 * sum(case.processes))]
    measure_round(stage, lane, warm_up)
    return [measure_round(stage, lane, calls) for _ in range(min(ROUNDS, stage.pairs))]


def measure_round(
    stage: Stage, lane: Lane, calls: Sequence[tuple[int, float]]
) -> Round:
    """Publish calls of one key to workers that are stopped, then let them go."""
    witness: Any = stage.witness
    witness.flushdb()
    lane.stop()
    lane.publisher.call("publish", "hot", calls, lane.queue)
    let_go = time.monotonic()
    lane.go_on()
    wait_until(
        lambda: witness.llen(RUNS) >= len(calls),
        *(PATIENCE, lambda: f"{witness.llen(RUNS)} of {len(calls)} calls have run"),
    )
    runs = sorted(Run(*json.loads(run)) for run in witness.lrange(RUNS, 0, -1))
    return Round(let_go, runs, sum(map(int, witness.hvals(ARRIVALS))))


def _rows(case: Case, in_use: float) -> list[Row]:
    def row(figure: str, goal: Goal, measure: Callable[[Case, Stage], Measured]) -> Row:
        return Row(f"{figure}: {case.name}", goal, partial(measure, case))

    return [
        row("hot key in use", at_least(in_use), _in_use),
        row("arrivals a run", at_most(2.5), _arrivals),
        row("longest wait", at_most(1.5), _longest),
        row("worst wait", no_goal(), _worst),
    ]


ROWS = [
    *_rows(SHORT, in_use=0.85),
    *_rows(LONG, in_use=0.90),
    *_rows(RANDOM, in_use=0.80),
    *_rows(TWO_WORKERS, in_use=0.75),
    Row(f"hot key in use: {RECIPE.name}", no_goal(), partial(_in_use, RECIPE)),
    Row(f"arrivals a run: {RECIPE.name}", no_goal(), partial(_arrivals, RECIPE)),
]
