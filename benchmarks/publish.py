"""What it costs to publish a guarded task."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from benchmarks.measured import Measured, rate_over_plain, time_over_plain
from benchmarks.pairs import Pair, in_pairs
from benchmarks.publisher import Publisher
from benchmarks.row import Row, at_least, at_most
from benchmarks.stage import Stage

BATCH = 50
TURNS = 10
GROUP = 1000

_numbers = itertools.count(1)

#: Lets a publisher publish a task, and returns the seconds of one call.
Way = Callable[[Publisher, str], float]


def fresh_numbers(count: int) -> list[int]:
    return list(itertools.islice(_numbers, count))


def _calls(publisher: Publisher, task: str) -> float:
    return float(publisher.call("publish", task, fresh_numbers(BATCH)))


def _equal_calls(publisher: Publisher, task: str) -> float:
    return float(publisher.call("publish", task, [0] * BATCH))


def _group(publisher: Publisher, task: str) -> float:
    return float(publisher.call("publish_group", task, fresh_numbers(GROUP)))


def _beside_plain(stage: Stage, task: str, way: Way, turns: int = TURNS) -> list[Pair]:
    ours, plain = (stage.publisher(app) for app in ("guarded_app", "plain_app"))
    pairs = in_pairs(
        lambda: way(ours, task), lambda: way(plain, "plain"), stage.pairs, turns
    )
    plain.call("empty")
    stage.locks.client.flushall()
    return pairs


def _while_executing(stage: Stage) -> Measured:
    return rate_over_plain(_beside_plain(stage, "guarded", _calls))


def _until_executed(stage: Stage) -> Measured:
    return rate_over_plain(_beside_plain(stage, "reserved", _calls))


def _refused(stage: Stage) -> Measured:
    return rate_over_plain(_beside_plain(stage, "reserved", _equal_calls))


def _in_a_group(stage: Stage) -> Measured:
    return time_over_plain(_beside_plain(stage, "reserved", _group, turns=1))


ROWS = [
    Row("publish under while_executing", at_least(0.97), _while_executing),
    Row("publish under until_executed", at_least(0.78), _until_executed),
    Row("refused publish", at_least(3.0), _refused),
    Row(f"group of {GROUP}, until_executed", at_most(1.3), _in_a_group),
]
