"""A reservation whose message does not run at once, or not at all."""

from typing import Any
from uuid import uuid4

import pytest
from celery import states

from tests.inprocess import value_of
from tests.published_calls import key_of
from tests.waiting import in_time, wait_until
from unique_task import LockStoreError, MemoryBackend, retry, unique
from unique_task.options.lock_types import LOCK_TYPES

pytest_plugins = "tests.inprocess_fixtures"

SOON = retry(countdown=0.05, maximum=0.1)

APART = [name for name, kind in LOCK_TYPES.items() if kind.two_locks]

#: What comes late may come again, and is remembered.
LATE = {"countdown": 0.05}


class Faulty(MemoryBackend):
    """Does not answer the next question about `lock`."""

    lock = ""

    def _acquire(self, wanted):
        if wanted.key == self.lock:
            self.lock = ""
            raise LockStoreError("away")
        return super()._acquire(wanted)


@pytest.fixture
def store(worker_app) -> Faulty:
    store = Faulty()
    worker_app.conf.unique_backend = store
    return store


@pytest.fixture
def guarded(worker_app, store, gate):
    """Make a task that notes each run and waits at the gate."""

    def guarded(lock, **options):
        @worker_app.task(name=f"redeemed-{lock}")
        @unique(lock=lock, on_duplicate={"publish": "ignore", "run": SOON}, **options)
        def work(item=1):
            gate.hold()
            return item

        return work

    gate.open()
    return guarded


def locks_in(store: Any) -> list[str]:
    return [key for kind, key in store._cells if kind == "lock"]


@pytest.mark.parametrize("lock", APART)
def test_a_message_whose_store_was_away_half_way_starts_its_reservation_later(
    guarded, store, lock
):
    work = guarded(lock, expire=1000)
    reservation = LOCK_TYPES[lock].reservation_name(key_of(work))
    store.lock = reservation
    result = work.apply_async(**LATE)

    assert value_of(result) == 1
    assert not store.lock
    window = [reservation] if LOCK_TYPES[lock].ends_by_time else []
    wait_until(lambda: locks_in(store) == window)


def test_a_task_that_comes_back_again_and_again_does_not_overtake_a_reservation(
    guarded, worker_app, monkeypatch
):
    """The task belongs to a canvas, so it was sent without a lock."""
    monkeypatch.setitem(worker_app.conf, "task_track_started", True)
    work = guarded("until_executing")

    def two_calls():
        item = str(uuid4())
        waiting = work.apply_async((item,), countdown=1)
        bound = work.apply_async((item,), reply_to="canvas", **LATE)
        wait_until(lambda: bound.state in {states.RETRY, states.SUCCESS})
        return item, waiting, bound

    item, waiting, bound = in_time(two_calls, 1)

    assert value_of(bound) == item
    # Its reservation ends at its start, so the other task may end first.
    assert waiting.state in {states.STARTED, states.SUCCESS}


def test_a_body_that_runs_unguarded_leaves_no_lock_behind(guarded, store, worker_app):
    worker_app.conf.unique_on_unavailable = "run"
    work = guarded("until_executed", expire=1000)
    store.lock = key_of(work)
    result = work.apply_async(**LATE)

    assert value_of(result) == 1
    assert not store.lock
    wait_until(lambda: locks_in(store) == [])


def test_a_message_that_ends_as_a_duplicate_leaves_no_lock_behind(
    guarded, store, gate, worker_app
):
    """Its place in the queue is free, though it did not run."""
    work = guarded("until_and_while_executing", expire=1000)
    said = {"on_duplicate": {"run": "skip"}}
    gate._open.clear()
    running = work.delay()
    gate.wait_for_arrival()

    assert value_of(work.apply_async(unique=said)) is None
    pending = LOCK_TYPES["until_and_while_executing"].reservation_name(key_of(work))
    wait_until(lambda: pending not in locks_in(store))
    gate.open()
    assert value_of(running) == 1


def test_a_message_that_waits_for_a_run_keeps_its_place_for_as_long(
    guarded, store, gate
):
    work = guarded("until_and_while_executing", expire=60)
    gate._open.clear()
    running = work.delay()
    gate.wait_for_arrival()
    waiting = work.delay()
    pending = LOCK_TYPES["until_and_while_executing"].reservation_name(key_of(work))
    before = store.get(pending)

    wait_until(lambda: store.get(pending).record.fence > before.record.fence)
    record = store.get(pending).record
    assert (record.token, record.state) == (before.record.token, "pending")
    assert record.process == ""
    assert work.delay().id == waiting.id
    gate.open()
    assert [value_of(running), value_of(waiting)] == [1, 1]
