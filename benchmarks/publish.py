"""What it costs to publish a guarded task."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from celery import group

from benchmarks.guarded_app import app, guarded, reserved
from benchmarks.pairs import costs, rates, timed
from benchmarks.plain_app import plain
from benchmarks.report import Row, at_least, at_most
from tests.servers import RedisServer

BATCH = 50
TURNS = 10
GROUP = 1000
QUEUE = "unread"

_numbers = itertools.count()


def rows(locks: RedisServer, pairs: int) -> Iterator[Row]:
    theirs = timed(_batch(plain))
    for task, lock, limit in (
        (guarded, "while_executing", 0.95),
        (reserved, "until_executed", 0.75),
    ):
        values = rates(timed(_batch(task)), theirs, pairs, TURNS)
        yield Row(f"publish under {lock}, rate over plain", values, at_least(limit))
    values = costs(timed(_group(reserved)), timed(_group(plain)), pairs)
    yield Row(f"a group of {GROUP}, cost over plain", values, at_most(1.3))
    with app.connection_for_write() as connection:
        channel: Any = connection.default_channel
        channel.queue_purge(QUEUE)
    locks.client.flushall()


def _batch(task: Any) -> Callable[[], None]:
    def send() -> None:
        for _ in range(BATCH):
            task.apply_async((next(_numbers),), queue=QUEUE)

    return send


def _group(task: Any) -> Callable[[], object]:
    def send() -> object:
        members = [task.s(next(_numbers)) for _ in range(GROUP)]
        return group(members).apply_async(queue=QUEUE)

    return send
