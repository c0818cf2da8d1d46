"""How long many callers of one run wait, and what many waiters of a key cost others."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import psutil

from benchmarks.hot_bodies import ARRIVALS, FLIGHT
from benchmarks.lane import Lane
from benchmarks.measured import PER_SECOND, Measured, count, rate_over
from benchmarks.pairs import Pair
from benchmarks.publish import fresh_numbers
from benchmarks.row import Row, at_least, at_most, no_goal
from benchmarks.stage import Stage
from tests.waiting import wait_until

#: Callers that want the value of one run.
CALLERS = 100

#: Calls that wait for one key, and the seconds in which each has met the held lock.
WAITERS, PATIENCE = 10_000, 900.0

#: Other tasks whose rate is measured at once, and how often.
BATCH, ROUNDS = 1000, 3

#: A queue that no worker reads.
ASIDE = "aside"


class Crowd(NamedTuple):
    """A worker without waiters, and with many.

    Attributes:
        pairs: seconds of another task, with and without them.
        memory: bytes a waiter, of the worker and its pool.
    """

    pairs: Sequence[Pair]
    memory: float


def _single_flight(stage: Stage) -> Measured:
    lane = _lane(stage)
    _answers(lane, 2)  # the scripts are loaded
    seconds = [_answers(lane, CALLERS) for _ in range(stage.pairs)]
    values = [one / FLIGHT for one in seconds]
    return Measured(values, "time over the run", "s", statistics.median(seconds))


def _answers(lane: Lane, callers: int) -> float:
    """Return the seconds until the last of the callers of a new key has the value."""
    same = fresh_numbers(1) * callers
    return float(lane.publisher.call("answers", "flight", same, lane.queue))


def _beside(stage: Stage) -> Measured:
    return rate_over(measure_crowd(stage).pairs, "none waiting", PER_SECOND)


def _memory(stage: Stage) -> Measured:
    return count(measure_crowd(stage).memory, "bytes")


@cache
def measure_crowd(stage: Stage) -> Crowd:
    """Return what two rows show figures of."""
    waiters = WAITERS if stage.pairs > 1 else WAITERS // 20
    stage.end_workers()
    lane = _lane(stage)
    _seconds(stage, lane)  # each process loads what a first run needs
    alone, before = _rates(stage, lane), _resident(lane)
    lane.publisher.call("hold", "hot", (0, 0))
    try:
        _gather(stage, lane, waiters)
        beside, after = _rates(stage, lane), _resident(lane)
    finally:
        _disperse(stage)
    pairs = [Pair(*both) for both in zip(beside, alone)]
    return Crowd(pairs, (after - before) / waiters)


def _gather(stage: Stage, lane: Lane, waiters: int) -> None:
    """Publish calls of a key that is held, and return when each has met the lock."""
    witness: Any = stage.witness
    witness.flushdb()
    calls = [(number, 0) for number in range(waiters)]
    lane.publisher.call("publish", "hot", calls, lane.queue)
    wait_until(
        lambda: witness.hlen(ARRIVALS) == waiters,
        *(PATIENCE, lambda: f"{witness.hlen(ARRIVALS)} of {waiters} have arrived"),
    )


def _disperse(stage: Stage) -> None:
    """Remove the waiters, also those that their worker gives back when it ends."""
    stage.end_workers()
    stage.broker.flushdb()
    stage.locks.client.flushall()


def _rates(stage: Stage, lane: Lane) -> list[float]:
    return [_seconds(stage, lane) for _ in range(min(ROUNDS, stage.pairs))]


def _seconds(stage: Stage, lane: Lane) -> float:
    """Return the seconds that a worker takes for another task, of a batch.

    The worker is not stopped meanwhile: all waiters would come back when it goes on.
    """
    lane.publisher.call("queue", "guarded", fresh_numbers(BATCH), ASIDE, False)
    with stage.broker.pipeline() as pipeline:
        for _ in range(BATCH + 2):  # the first and the last one stand beside the batch
            pipeline.rpoplpush(ASIDE, lane.queue)
        pipeline.execute()
    return float(lane.publisher.call("worked")) / BATCH


def _resident(lane: Lane) -> int:
    """Return the bytes of memory that a worker and its pool have."""
    [worker] = lane.workers
    pids = [worker.pid, *worker.children()]
    return sum(int(psutil.Process(pid).memory_info().rss) for pid in pids)


def _lane(stage: Stage) -> Lane:
    return stage.lane("prefork", "hot_app", (4,))


ROWS = [
    Row(f"single flight of {CALLERS} callers", at_most(1.6), _single_flight),
    Row(f"others beside {WAITERS:,} waiters", at_least(0.8), _beside),
    Row(f"memory of each of {WAITERS:,} waiters", no_goal(), _memory),
]
