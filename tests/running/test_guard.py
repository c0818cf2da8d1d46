"""One guarded call: which lock it takes, for how long, and what its body sees."""

import contextvars
import threading
import time
from datetime import timedelta

import pytest
from celery import Task

from tests.clock import Clock
from tests.held_lock import held_lock
from tests.inprocess import Gate
from tests.waiting import wait_until
from unique_task import (
    MemoryBackend,
    UniqueKeyError,
    current_lock,
    unique,
)
from unique_task.leases.held_lease import HeldLease

pytest_plugins = "tests.inprocess_fixtures"


@pytest.fixture
def clock():
    return Clock()


def test_an_equal_call_does_not_run_at_the_same_time(app, gate):
    @app.task
    @unique
    def work(a, b=0):
        gate.hold()

    with gate.holding(work, 1):
        assert work(a=1, b=0) is None


def test_a_call_of_another_key_runs_at_the_same_time(app, gate):
    @app.task
    @unique
    def work(a):
        gate.hold()

    with gate.holding(work, 1), gate.holding(work, 2):
        pass


def test_the_next_equal_call_runs(app):
    @app.task
    @unique
    def work(a):
        return "ran"

    assert [work(1), work(1)] == ["ran", "ran"]


def test_an_argument_that_is_no_part_of_the_key_makes_no_difference(app, gate):
    @app.task
    @unique(key="{order}")
    def work(order, note):
        gate.hold()

    with gate.holding(work, 1, "a"):
        assert work(1, "b") is None


def test_an_argument_that_can_be_no_key_is_an_error(app):
    @app.task
    @unique
    def work(item):
        raise AssertionError("ran without a key")

    with pytest.raises(UniqueKeyError, match="'item'.*key="):
        work(object())


def test_with_guards_switched_off_every_call_runs(app, gate):
    app.conf.unique_enabled = False

    @app.task
    @unique
    def work():
        gate.hold()

    with gate.holding(work), gate.holding(work):
        pass


def test_with_guards_switched_off_a_body_has_a_lock_that_never_ends(app):
    app.conf.unique_enabled = False

    @app.task
    @unique
    def work():
        return current_lock()

    lock = work.apply(task_id="mine").result

    assert (lock.key, lock.owner, lock.fence, lock.lost) == ("", "mine", None, False)
    assert lock.remaining() == float("inf")
    assert lock.extend(1)


def assert_stands_for_a_minute(work: Task, gate: Gate, clock: Clock) -> None:
    with gate.holding(work):
        clock.now += 59
        assert work() is None
        clock.now += 2
        with gate.holding(work):
            pass


def test_a_lock_that_is_not_renewed_stands_until_expire(app, gate, clock):
    @app.task
    @unique(expire=timedelta(minutes=1), renew=False, backend=MemoryBackend(clock))
    def work():
        gate.hold()

    assert_stands_for_a_minute(work, gate, clock)


def test_expire_and_renew_may_come_from_the_settings(app, gate, clock):
    app.conf.update(
        unique_expire=60, unique_renew=False, unique_backend=MemoryBackend(clock)
    )

    @app.task
    @unique
    def work():
        gate.hold()

    assert_stands_for_a_minute(work, gate, clock)


def test_a_renewed_lock_outlives_expire(app, gate):
    locks = []

    @app.task
    @unique(expire=4)
    def work():
        locks.append(held_lock())
        gate.hold()

    with gate.holding(work):
        [lock] = locks
        first_end = end_in_store(lock)
        wait_until(lambda: end_in_store(lock) > first_end + 1)
        assert work() is None
        assert not lock.lost


def end_in_store(lock: HeldLease) -> float:
    held = lock.backend.get(lock.key)
    assert held, "the lock has ended"
    return time.monotonic() + held.remaining


def test_a_body_has_the_lock_that_the_store_has(app):
    @app.task
    @unique
    def work():
        lock = held_lock()
        return lock, app.conf.unique_backend.get(lock.key)

    lock, held = work.apply(task_id="mine").result

    assert held.record.owner == lock.owner == "mine"
    assert held.record.fence == lock.fence


def test_the_lock_ends_with_the_body(app):
    work = app.task(unique(current_lock), name="work")

    lock = work()

    assert app.conf.unique_backend.get(lock.key) is None
    with pytest.raises(LookupError, match="inside the body"):
        held_lock()


def test_a_thread_that_the_body_starts_has_no_lock(app):
    seen: list[HeldLease | None] = []

    def look():
        try:
            seen.append(held_lock())
        except LookupError:
            seen.append(None)

    @app.task
    @unique
    def work():
        # An empty context: a thread starts with one, unless Python is set otherwise.
        thread = threading.Thread(target=contextvars.Context().run, args=(look,))
        thread.start()
        thread.join(30)

    work()

    assert seen == [None]
