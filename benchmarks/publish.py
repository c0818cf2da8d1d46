"""What a guarded task costs who publishes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.guarded_app import app, guarded
from benchmarks.pairs import rates, timed
from benchmarks.plain_app import plain
from benchmarks.report import Row, at_least

BATCH = 50
TURNS = 10
QUEUE = "unread"


def rows(pairs: int) -> Iterator[Row]:
    ours, theirs = (timed(_batch(task)) for task in (guarded, plain))
    name = "publish under while_executing, rate over plain"
    yield Row(name, rates(ours, theirs, pairs, TURNS), at_least(0.95))
    with app.connection_for_write() as connection:
        channel: Any = connection.default_channel
        channel.queue_purge(QUEUE)


def _batch(task: Any) -> Callable[[], None]:
    def send() -> None:
        for number in range(BATCH):
            task.apply_async((number,), queue=QUEUE)

    return send
