"""Servers, publishers and workers; each starts when a row asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from redis import Redis

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
        self._lanes: dict[tuple[str, str, tuple[int, ...]], Lane] = {}
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

    @cached_property
    def broker(self) -> Redis:
        return Redis.from_url(self.urls[0], decode_responses=True)

    @cached_property
    def witness(self) -> Redis:
        """What bodies note, in a database beside the messages and results."""
        return Redis.from_url(self._witness_url, decode_responses=True)

    @property
    def _witness_url(self) -> str:
        return f"{self.urls[0].removesuffix('/0')}/2"

    def directory(self) -> Path:
        return Path(self._stack.enter_context(TemporaryDirectory()))

    def publisher(self, app: str) -> Publisher:
        """Return the process that publishes the tasks of an app."""
        if app not in self._publishers:
            publisher = self._stack.enter_context(Publisher(app, self.urls))
            self._publishers[app] = publisher
        return self._publishers[app]

    def lane(self, pool: str, app: str, processes: Sequence[int] = (2,)) -> Lane:
        """Return the workers of an app; those with other pools end before.

        Arguments:
            processes: how many each worker has.
        """
        pools = pool, tuple(processes)
        if not all((kept, sizes) == pools for kept, _, sizes in self._lanes):
            self.end_workers()
        place = pool, app, tuple(processes)
        if place not in self._lanes:
            lane = Lane(self.directory(), self.urls, *place, self._witness_url)
            self._lanes[place] = self._workers.enter_context(lane)
        return self._lanes[place]

    def end_workers(self) -> None:
        self._lanes.clear()
        self._workers.close()

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self.end_workers()
        self._stack.close()
