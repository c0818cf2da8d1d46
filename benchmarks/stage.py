"""Servers, publishers and workers; each starts when a row asks for it."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.lane import Lane
from benchmarks.publisher import Publisher
from tests.servers import RedisServer


class Stage:
    """Starts what rows ask for, and ends it all.

    Attributes:
        pairs: how many pairs a row measures.
    """

    def __init__(self, pairs: int) -> None:
        self.pairs = pairs
        self._stack = ExitStack()
        self._workers = ExitStack()
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._publishers: dict[str, Publisher] = {}

    @cached_property
    def locks(self) -> RedisServer:
        """The Redis for locks, which has no other clients."""
        return self._stack.enter_context(RedisServer(self.directory()))

    @cached_property
    def urls(self) -> tuple[str, str, str]:
        """Where messages, results and locks are."""
        broker = self._stack.enter_context(RedisServer(self.directory())).url
        return broker, f"{broker.removesuffix('/0')}/1", self.locks.url

    def directory(self) -> Path:
        return Path(self._stack.enter_context(TemporaryDirectory()))

    def publisher(self, app: str) -> Publisher:
        """Return the process that publishes the tasks of an app."""
        if app not in self._publishers:
            publisher = self._stack.enter_context(Publisher(app, self.urls))
            self._publishers[app] = publisher
        return self._publishers[app]

    def lane(self, pool: str, app: str) -> Lane:
        """Return the worker of an app; workers with another pool end before."""
        if not all(kept == pool for kept, _ in self._lanes):
            self._end_workers()
        if (pool, app) not in self._lanes:
            lane = Lane(self.directory(), self.urls, pool, app)
            self._lanes[pool, app] = self._workers.enter_context(lane)
        return self._lanes[pool, app]

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_workers()
        self._stack.close()

    def _end_workers(self) -> None:
        self._lanes.clear()
        self._workers.close()
