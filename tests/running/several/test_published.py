"""Tasks with ``limit=n`` whose locks are taken when they are published."""

import pytest
from celery import states

from tests.inprocess import value_of
from tests.running.several.guarded import LOCKS, SOON, holders
from tests.waiting import wait_until
from unique_task import unique

pytest_plugins = "tests.inprocess_fixtures"


def test_until_expired_has_so_many_places_in_a_window(guarded, gate, store):
    work = guarded(lock="until_expired", acks_late=True)
    gate.open()
    first, second = work.delay(1), work.delay(2)
    assert (first.duplicate, second.duplicate) == (False, False)
    assert work.delay(3).duplicate
    assert (value_of(first), value_of(second)) == (1, 2)

    assert work.delay(4).duplicate
    assert holders(store, work) == sorted([first.id, second.id])


def test_a_call_has_one_place_in_a_window_however_often_it_is_delivered(
    worker_app, store, redeliver, arrivals
):
    """The first delivery was broken off, so that the second one runs."""
    runs = []

    @worker_app.task(acks_late=True)
    @unique(key=(), backend=store, limit=3, lock="until_expired")
    def work():
        runs.append(1)
        if len(runs) == 1:
            raise SystemExit

    first = work.delay()
    wait_until(lambda: arrivals)
    redeliver(work, first)
    wait_until(lambda: len(arrivals) == 2)

    assert len(runs) == 2
    assert holders(store, work) == [first.id]


def test_until_and_while_executing_runs_so_many_and_lets_one_wait(guarded, gate, store):
    work = guarded(lock="until_and_while_executing", on_duplicate={"run": SOON})
    running = []
    for item in (1, 2):
        running.append(work.delay(item))
        gate.wait_for_arrival()

    waiting, dropped = work.delay(3), work.delay(4)
    assert (waiting.duplicate, dropped.duplicate) == (False, True)
    assert dropped.id == waiting.id
    wait_until(lambda: waiting.state == states.RETRY)
    gate.open()

    assert [value_of(result) for result in [*running, waiting]] == [1, 2, 3]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_of_each_type_is_free_in_the_end(guarded, gate, store, lock):
    work = guarded(lock=lock, on_duplicate=SOON, expire=0.2, renew=True)
    gate.open()
    for result in [work.delay(item) for item in range(4)]:
        value_of(result)

    wait_until(lambda: not holders(store, work))
    assert not holders(store, work, ".pending")


@pytest.mark.parametrize("lock", LOCKS)
def test_a_successor_does_not_run_beside_the_call_that_sends_it(
    worker_app, store, arrivals, lock
):
    seen = []

    @worker_app.task(bind=True)
    @unique(key=(), backend=store, limit=3, lock=lock, expire=2, on_duplicate=SOON)
    def work(self, last=False):
        if last:
            seen.append("successor")
            return
        work.apply_async((True,), unique="successor")
        # It has come, and was sent back.
        wait_until(lambda: arrivals)
        seen.append("sender")

    value_of(work.delay())

    wait_until(lambda: len(seen) == 2)
    assert seen == ["sender", "successor"]
    wait_until(lambda: not holders(store, work))
    assert not holders(store, work, ".successor")
