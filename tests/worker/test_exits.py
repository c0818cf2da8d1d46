"""Every exit frees the lock: the table of exits, row by row."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.worker.exits import EXITS, NOWHERE, POOLS, Exit
from tests.worker.scene import Scene
from tests.worker.witness import Witness

pytestmark = pytest.mark.worker


class Fleet:
    """One worker at a time, the same for all rows that leave it alive."""

    def __init__(self, start: Any) -> None:
        self._start = start
        self._kind: tuple[str, Mapping[str, Any]] | None = None
        self._worker: Any = None

    def worker(self, pool: str, settings: Mapping[str, Any]) -> Any:
        if self._kind != (pool, settings):
            self.retire()
            # Room for the row's run and for what comes after it.
            self._worker = self._start(pool=pool, concurrency=2, settings=settings)
            self._kind = pool, settings
        return self._worker

    def retire(self) -> None:
        """Nobody needs the worker any more."""
        if self._worker:
            self._worker.kill()
        self._worker = self._kind = None


@pytest.fixture(scope="module")
def fleet(start_module_worker) -> Fleet:
    return Fleet(start_module_worker)


@pytest.fixture
def seen(module_urls) -> Iterator[Witness]:
    """Not `witness`, which waits for the end of tasks that have none here."""
    witness = Witness(module_urls["witness"])
    yield witness
    witness.close()


def in_order(row: Exit, pool: str) -> tuple[bool, str]:
    """Rows that share a worker first."""
    return pool in row.ends_worker, str(row.settings)


CASES = [
    pytest.param(pool, row, ack, id=f"{pool}-{row.name.replace('``', '')}-{ack}")
    for pool in POOLS
    for row in sorted(EXITS, key=lambda row: in_order(row, pool))
    for ack in row.acks
    if row.exists(pool)
]


@pytest.mark.parametrize("pool, row, ack", CASES)
def test_every_exit_frees_the_lock(fleet, seen, record_property, pool, row, ack):
    worker = None if pool == NOWHERE else fleet.worker(pool, row.settings)
    scene = Scene(worker, seen, late=ack == "late")
    bound = row.blocked[pool].seconds

    try:
        row.how(scene)
        record_property("seconds", scene.wait_until_free(within=bound))
        gone = worker is None or pool in row.ends_worker
        scene.runs_anew(scene.task if gone else scene.task.delay, within=2)
    finally:
        scene.open()
        if pool in row.ends_worker:
            fleet.retire()
