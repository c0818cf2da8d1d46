"""Batches of tasks on real workers: one runs plain Celery, one has guarded tasks."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmarks.guarded_app import guarded, reserved
from benchmarks.pairs import Measure, rates
from benchmarks.plain_app import configure, now, plain
from benchmarks.report import Row, at_least, at_most
from tests.servers import RedisServer
from tests.worker.worker_process import WorkerProcess
from unique_task import RedisBackend
from unique_task.backends.record import Record, Token
from unique_task.options.guarded_class import GUARDED

BATCH = 100
TURNS = 2
COUNTED = 100

_numbers = itertools.count()


class Workers:
    """Starts workers on queues of their own; their locks have a server of their own."""

    def __init__(
        self, directory: Path, broker: RedisServer, locks: RedisServer
    ) -> None:
        self.directory = directory
        self.locks = locks
        self.urls = broker.url, f"{broker.url.removesuffix('/0')}/1", locks.url
        configure(*self.urls)

    @contextmanager
    def pair(self, pool: str) -> Iterator[tuple[Lane, Lane]]:
        """Run a guarded and a plain worker."""
        with ExitStack() as stack:
            lanes = [
                Lane(stack.enter_context(self._worker(pool, app)), app)
                for app in ("guarded_app", "plain_app")
            ]
            yield lanes[0], lanes[1]

    def _worker(self, pool: str, app: str) -> WorkerProcess:
        module = f"benchmarks.{app}"
        return WorkerProcess(
            self.directory, *self.urls, pool=pool, app=module, options=("-Q", app)
        )


class Lane:
    """A worker and the queue that only it reads."""

    def __init__(self, worker: WorkerProcess, queue: str) -> None:
        self._worker = worker
        self._queue = queue

    def run(self, task: Any, numbers: list[int], **options: Any) -> float:
        """Return the seconds that the worker takes for the batch once all is sent."""
        options["queue"] = self._queue
        # Stopped, so that it does not start before all is sent, and uses no CPU.
        os.killpg(self._worker.pid, signal.SIGSTOP)
        first = now.apply_async(queue=self._queue)
        for number in numbers:
            task.apply_async((number,), **options)
        last = now.apply_async(queue=self._queue)
        os.killpg(self._worker.pid, signal.SIGCONT)
        return float(last.get(timeout=60)) - float(first.get(timeout=60))


def rows(workers: Workers, pairs: int) -> Iterator[Row]:
    with workers.pair("solo") as (ours, theirs):
        for note, ignore in (("", False), (", no results", True)):
            yield _no_ops(ours, theirs, pairs, note, ignore)
        yield from _counts(workers, ours)
    with workers.pair("prefork") as (ours, theirs):
        _hold_one(workers.locks)
        for note, ignore in (("", False), (", no results", True)):
            yield _drops(ours, theirs, pairs, note, ignore)


def _no_ops(ours: Lane, theirs: Lane, pairs: int, note: str, ignore: bool) -> Row:
    def guarded_batch() -> float:
        return ours.run(guarded, _fresh_numbers(BATCH), ignore_result=ignore)

    values = rates(guarded_batch, _plain_batch(theirs, ignore), pairs, TURNS)
    return Row(f"no-ops on solo, rate over plain{note}", values, at_least(0.75))


def _drops(ours: Lane, theirs: Lane, pairs: int, note: str, ignore: bool) -> Row:
    def duplicates() -> float:
        return ours.run(guarded, [0] * BATCH, ignore_result=ignore)

    values = rates(duplicates, _plain_batch(theirs, ignore), pairs, TURNS)
    name = f"duplicates dropped on prefork, rate over plain{note}"
    return Row(name, values, at_least(0.45))


def _plain_batch(lane: Lane, ignore: bool) -> Measure:
    return lambda: lane.run(plain, _fresh_numbers(BATCH), ignore_result=ignore)


def _fresh_numbers(count: int) -> list[int]:
    return list(itertools.islice(_numbers, count))


def _hold_one(locks: RedisServer) -> None:
    key = getattr(guarded, GUARDED).spec.digest(guarded, (0,), {})
    record = Record(str(Token.of_attempt(str(uuid4()))), guarded.name)
    RedisBackend(locks.url).acquire(key, record, 3600)


def _counts(workers: Workers, lane: Lane) -> Iterator[Row]:
    """Count the requests to the store of locks, which has no other client."""
    count = Counter(workers.locks)
    numbers = _fresh_numbers(COUNTED)
    for task, to_publish, to_run in ((guarded, 0, 2), (reserved, 1, 3)):
        name = getattr(task, GUARDED).options.lock or "while_executing"
        sent = count.of(lambda: publish_all(task, numbers))
        yield Row(f"round trips to publish, {name}", [sent], at_most(to_publish))
        if to_publish:
            refused = count.of(lambda: publish_all(task, numbers))
            yield Row("round trips to be refused", [refused], at_most(1))
        lane.run(task, _fresh_numbers(1))  # the scripts are loaded
        workers.locks.reset_counts()
        ran = count.of(lambda: lane.run(task, _fresh_numbers(COUNTED)))
        both = "publish and run" if to_publish else "run"
        yield Row(f"round trips to {both}, {name}", [ran], at_most(to_run))
        commands = sum(workers.locks.command_counts().values()) / COUNTED
        if not to_publish:
            yield Row("Redis commands to run", [commands], at_most(6))


def publish_all(task: Any, numbers: list[int]) -> None:
    for number in numbers:
        task.apply_async((number,), queue="unread")


class Counter:
    """Counts how often a server reads requests, by the call of a task."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server

    def of(self, work: Callable[[], object]) -> float:
        before = self._reads()
        work()
        return (self._reads() - before - 1) / COUNTED

    def _reads(self) -> float:
        """Return how often the server has read requests, including this one."""
        stats: Any = self._server.client.info("stats")
        return float(stats["total_reads_processed"])
