"""Every exit frees the lock: the table of exits, row by row."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.waiting import wait_until
from tests.worker.exits import (
    AT_ONCE,
    EXITS,
    LATE,
    LONG_LEASE,
    MAIN,
    NOWHERE,
    POOLS,
    Exit,
)
from tests.worker.scene import Scene
from tests.worker.witness import Witness
from tests.worker.worker_process import alive

pytestmark = pytest.mark.worker


class Fleet:
    """One worker at a time, the same for all rows that leave it alive."""

    def __init__(self, start: Any) -> None:
        self._start = start
        self._kind: object = None
        self._worker: Any = None

    def worker(self, pool: str, settings: Mapping[str, Any], children: int) -> Any:
        kind = pool, settings, children
        if self._kind != kind:
            self.retire()
            self._kind = kind
            self._worker = self._start(
                pool=pool, settings=settings, concurrency=children
            )
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


def rows_in_order(pool: str) -> list[Exit]:
    """Those that share a worker first."""
    rows = [row for row in EXITS if row.exists and pool in row.blocked]
    return sorted(rows, key=lambda row: pool in row.ends_worker)


def cases() -> Iterator[Any]:
    """Yield all rows; once more in one pool, each where several may hold the key."""
    for pool in POOLS:
        for row in rows_in_order(pool):
            name = f"{pool}: {row.name.replace('``', '')}"
            for ack in row.acks:
                yield pytest.param(pool, row, ack, False, id=f"{name}, {ack}")
            if pool in ("prefork", NOWHERE):
                ack = row.acks[-1]
                yield pytest.param(pool, row, ack, True, id=f"{name}, {ack}, several")


#: Enough for the rows that cost a child each until Celery replaces it, every 5 s.
MANY = 8


@pytest.mark.parametrize("pool, row, ack, several", list(cases()))
def test_every_exit_frees_the_lock(
    fleet, seen, record_property, pool, row, ack, several
):
    last = pool == NOWHERE or pool in row.ends_worker
    worker = (
        None
        if pool == NOWHERE
        else fleet.worker(pool, row.settings, 1 if last else MANY)
    )
    scene = Scene(worker, seen, late=ack == LATE, several=several)

    try:
        row.how(scene)
        bound = row.blocked[pool].seconds
        record_property("seconds", scene.wait_until_free(within=bound))
        # Celery may give the next task to a child that is about to end.
        here = last or (pool == "prefork" and row.ends_child)
        scene.runs_anew(
            scene.task if here else scene.task.delay, within=AT_ONCE.seconds
        )
    finally:
        scene.open()
        if pool == "prefork" and row.ends_child:
            wait_until(lambda: not alive(scene.pid))
        if last:
            fleet.retire()


@pytest.mark.parametrize("pool", MAIN)
def test_a_killed_workers_lock_is_taken_over_at_once_on_its_machine(fleet, seen, pool):
    scene = Scene(fleet.worker(pool, LONG_LEASE, children=1), seen)
    scene.begin()

    fleet.retire()

    assert scene.held()
    scene.runs_anew(scene.task, within=AT_ONCE.seconds)
