"""Holders that have died, tries that follow each other: none has a second place."""

from typing import Any

import pytest
from celery.exceptions import Ignore, Retry
from celery.signals import task_prerun

from tests.forking import in_fork
from tests.held_lock import held_lock
from tests.inprocess import value_of
from tests.published_calls import key_of
from tests.running.several.guarded import holders
from tests.waiting import wait_until
from unique_task import MemoryBackend, unique
from unique_task.backends.record import Record, Token
from unique_task.leases.process import this_process

pytest_plugins = "tests.inprocess_fixtures"


@pytest.fixture(scope="module")
def gone() -> str:
    """A process of this machine that has ended."""
    process = in_fork(this_process)
    if not process:
        pytest.skip("nothing tells whether a process is gone")
    return process


def hold(
    store: MemoryBackend, task: Any, owner: str, process: str, expire: float = 600
) -> None:
    record = Record(Token.of_attempt(owner), task.name, process=process, final=True)
    store.acquire(key_of(task), record, expire=expire, limit=2)


@pytest.mark.parametrize("lock", ["while_executing", "until_executed"])
def test_a_dead_holder_keeps_no_place_though_another_ends_before_it(
    guarded, gate, store, gone, lock
):
    work = guarded(lock=lock, on_duplicate="raise")
    hold(store, work, "lives", this_process(), expire=60)
    hold(store, work, "died", gone)
    gate.open()

    assert value_of(work.delay(3)) == 3
    wait_until(lambda: holders(store, work) == ["lives"])


def test_a_second_delivery_takes_the_place_of_its_dead_first(
    guarded, gate, store, gone, redeliver, worker_app
):
    work = guarded(limit=3, acks_late=True)
    first = work.delay()
    gate.wait_for_arrival()
    [held] = store.holders(key_of(work))
    # As if its process had been killed.
    record = Record(held.record.token, work.name, process=gone)
    store.acquire(key_of(work), record, 600, take_over_from=[record.token], limit=3)

    redeliver(work, first)

    gate.wait_for_arrival()
    assert guarded.runs == [1, 1]
    [held] = store.holders(key_of(work))
    assert held.record.process == this_process()
    gate.open()


@pytest.fixture
def arrived():
    """The ids of the tasks that have come to a worker."""
    arrived: list[str] = []

    def note(task_id, **_):
        arrived.append(task_id)

    task_prerun.connect(note)
    yield arrived
    task_prerun.disconnect(note)


@pytest.mark.parametrize("countdown", [0, 0.2])
def test_a_retry_keeps_its_place_and_takes_no_other(worker_app, store, countdown):
    seen = []

    @worker_app.task(bind=True, max_retries=5)
    @unique(key=(), backend=store, limit=3, lock="until_executed")
    def work(self):
        seen.append(holders(store, work))
        if self.request.retries < 3:
            raise self.retry(countdown=countdown)
        return self.request.retries

    result = work.delay()

    assert value_of(result) == 3
    assert seen == [[result.id]] * 4
    wait_until(lambda: not holders(store, work))


@pytest.mark.parametrize("lock", ["while_executing", "until_executed"])
def test_a_retry_does_not_run_beside_the_try_that_sent_it(
    worker_app, store, arrived, lock
):
    at_once, most = [0], [0]

    @worker_app.task(bind=True)
    @unique(key=(), backend=store, limit=3, lock=lock)
    def work(self):
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        try:
            if not self.request.retries:
                self.retry(countdown=0, throw=False)
                # Long enough for the next try to come.
                wait_until(lambda: len(arrived) > 1)
            return self.request.retries
        finally:
            at_once[0] -= 1

    result = work.delay()
    wait_until(lambda: len(arrived) > 1 and not holders(store, work))
    wait_until(lambda: result.ready())
    assert most == [1]


class LooksAfterHeir(MemoryBackend):
    """Shows who holds a lock once one is alone, or a message has inherited a place."""

    def _holders(self, key):
        held = super()._holders
        wait_until(
            lambda: len(held(key)) < 2
            or any(each.record.state == "pending" for each in held(key))
        )
        return held(key)


def test_a_retry_that_is_let_in_before_it_inherits_a_place_keeps_one(
    worker_app, arrived
):
    store = LooksAfterHeir()
    places: list[str] = []

    @worker_app.task(bind=True)
    @unique(key=(), backend=store, limit=3, lock="until_executed")
    def work(self):
        held = super(LooksAfterHeir, store)._holders
        if self.request.retries:
            places.extend(each.record.owner for each in held(key_of(work)))
            return
        try:
            self.retry(countdown=0)
        except Retry:
            wait_until(lambda: len(held(key_of(work))) == 2)
            raise

    result = work.delay()

    value_of(result)
    assert places == [result.id]
    assert len(arrived) == 2  # it has not come back later


def test_a_task_that_replaces_itself_does_not_run_beside_itself(
    worker_app, store, arrived
):
    runs: list[str] = []

    @worker_app.task(bind=True)
    @unique(key=(), backend=store, limit=3, lock="until_executed")
    def work(self):
        runs.append("begins")
        try:
            if not self.request.replaced_task_nesting:
                self.replace(work.si())
        except Ignore:
            wait_until(lambda: len(arrived) > 1)
            raise
        finally:
            runs.append("ends")

    value_of(work.delay())

    assert runs == ["begins", "ends"] * 2


def test_a_place_that_vanished_is_taken_again_beside_others(guarded, gate, worker_app):
    store = MemoryBackend()
    found: list[str] = []

    @worker_app.task
    @unique(key=(), backend=store, limit=2)
    def work():
        lock = held_lock()
        hold(store, work, "other", this_process())
        assert store.release(lock.lock, lock.record.token, limit=2)
        lock.extend(60)
        found.extend(holders(store, work))

    result = work.delay()

    value_of(result)
    assert found == sorted(["other", result.id])
