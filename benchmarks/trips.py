"""How often a guarded task asks the store of locks, which has no other client."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.measured import Measured, count
from benchmarks.publish import fresh_numbers
from benchmarks.row import Row, at_most
from benchmarks.stage import Stage
from tests.servers import RedisServer

CALLS = 100

POOL, APP = "solo", "guarded_app"

#: A task of each lock type.
TASKS = {"while_executing": "guarded", "until_executed": "reserved"}


def _to_publish(task: str, stage: Stage) -> Measured:
    return _publishing(stage, task, fresh_numbers(CALLS))


def _to_be_refused(task: str, stage: Stage) -> Measured:
    return _publishing(stage, task, [0] * CALLS)


def _publishing(stage: Stage, task: str, numbers: list[int]) -> Measured:
    publisher = stage.publisher(APP)
    publisher.call("publish", task, numbers[:1])  # the scripts are loaded
    trips = _trips(stage.locks, lambda: publisher.call("publish", task, numbers))
    publisher.call("empty")
    return trips


def _to_run(task: str, stage: Stage) -> Measured:
    return _running(stage, task, fresh_numbers(CALLS))


def _to_drop(task: str, stage: Stage) -> Measured:
    stage.publisher(APP).call("hold", "guarded", 0)
    return _running(stage, task, [0] * CALLS)


def _running(stage: Stage, task: str, numbers: list[int]) -> Measured:
    lane = stage.lane(POOL, APP)
    lane.seconds(task, numbers[:1])  # the scripts are loaded
    lane.send(task, numbers)
    return _trips(stage.locks, lane.run)


def _commands(stage: Stage) -> Measured:
    lane = stage.lane(POOL, APP)
    lane.seconds("guarded", fresh_numbers(1))
    stage.locks.reset_counts()
    lane.seconds("guarded", fresh_numbers(CALLS))
    commands = sum(stage.locks.command_counts().values())
    # Without those of a flush of counters, which comes every 5 s, whatever is called.
    return count(round(commands / CALLS), "commands")


def _trips(server: RedisServer, work: Callable[[], object]) -> Measured:
    before = _reads(server)
    work()
    # Without the reading of this count itself.
    trips = (_reads(server) - before - 1) / CALLS
    server.client.flushall()
    # Without that of a flush of counters, as above.
    return count(round(trips, 1), "round trips")


def _reads(server: RedisServer) -> float:
    """Return how often the server has read requests, including this one."""
    stats: Any = server.client.info("stats")
    return float(stats["total_reads_processed"])


def _row(name: str, trips: int, measure: Callable[[str, Stage], Measured]) -> Row:
    """Return the row of a figure of the task whose lock type ends the name."""
    task = TASKS[name.rpartition(" ")[2]]
    return Row(f"round trips {name}", at_most(trips), partial(measure, task))


ROWS = [
    _row("to publish, while_executing", 0, _to_publish),
    _row("to run, while_executing", 2, _to_run),
    _row("to drop a duplicate, while_executing", 1, _to_drop),
    Row("Redis commands to run, while_executing", at_most(6), _commands),
    _row("to publish, until_executed", 1, _to_publish),
    _row("to run, until_executed", 2, _to_run),
    _row("to be refused, until_executed", 1, _to_be_refused),
]
