"""What a guarded task costs on a real worker, beside one that runs plain Celery."""

from __future__ import annotations

from functools import partial

from benchmarks.measured import PER_SECOND, Measured, added_to_plain, rate_over_plain
from benchmarks.pairs import in_pairs
from benchmarks.publish import fresh_numbers
from benchmarks.row import Row, at_least, at_most
from benchmarks.stage import Stage

BATCH = 100
TURNS = 2

#: Calls whose median is one measurement of a start, and the seconds between them.
STARTS = 10
PAUSE = 0.02


def _no_ops(ignored: bool, stage: Stage) -> Measured:
    ours, plain = (stage.lane("solo", app) for app in ("guarded_app", "plain_app"))
    pairs = in_pairs(
        lambda: ours.seconds("guarded", fresh_numbers(BATCH), ignored),
        lambda: plain.seconds("plain", fresh_numbers(BATCH), ignored),
        *(stage.pairs, TURNS),
    )
    return rate_over_plain(pairs, PER_SECOND)


def _drops(ignored: bool, stage: Stage) -> Measured:
    ours, plain = (stage.lane("prefork", app) for app in ("guarded_app", "plain_app"))
    stage.publisher("guarded_app").call("hold", "guarded", 0)
    pairs = in_pairs(
        lambda: ours.seconds("guarded", [0] * BATCH, ignored),
        lambda: plain.seconds("plain", fresh_numbers(BATCH), ignored),
        *(stage.pairs, TURNS),
    )
    stage.locks.client.flushall()
    return rate_over_plain(pairs, PER_SECOND)


def _start(stage: Stage) -> Measured:
    ours, plain = (stage.lane("prefork", app) for app in ("guarded_app", "plain_app"))
    pairs = in_pairs(
        lambda: ours.start("guarded_now", fresh_numbers(STARTS), PAUSE),
        lambda: plain.start("now", fresh_numbers(STARTS), PAUSE),
        *(stage.pairs, TURNS),
    )
    return added_to_plain(pairs)


ROWS = [
    Row("no-ops on solo", at_least(0.80), partial(_no_ops, False)),
    Row("no-ops on solo, no results", at_least(0.80), partial(_no_ops, True)),
    Row("duplicates dropped on prefork", at_least(0.45), partial(_drops, False)),
    Row(
        "duplicates dropped on prefork, no results",
        *(at_least(0.45), partial(_drops, True)),
    ),
    Row("start of a task on an idle worker", at_most(350), _start),
]
