"""A message is delivered again while its first run goes on without its lock."""

from typing import Any

import pytest
from celery import states

from tests.held_lock import held_lock
from tests.inprocess import value_of
from tests.waiting import wait_until
from unique_task import MemoryBackend, unique
from unique_task.backends.record import Record, Token
from unique_task.backends.steps import Acquired, Release, Tombstone

pytest_plugins = "tests.inprocess_fixtures"


@pytest.mark.parametrize("told", [False, True], ids=["not yet told", "told"])
@pytest.mark.parametrize("limit", [1, 3])
def test_it_waits_for_the_end_of_the_first_and_does_not_run(
    worker_app, monkeypatch, gate, arrivals, redeliver, limit, told
):
    """Somebody has released the lock of the first; it is free, or another has it."""
    # The mark of an attempt ends with its lease if the machine stalls for longer.
    monkeypatch.setitem(worker_app.conf.changes, "unique_lease", 600)
    runs: list[Any] = []

    @worker_app.task(acks_late=True)
    @unique(backend=MemoryBackend(), limit=limit)
    def work():
        runs.append(held_lock())
        gate.hold()
        return len(runs)

    first = work.delay()
    gate.wait_for_arrival()
    [lock] = runs
    tombstone = Tombstone("ann@mill", 1000)
    lock.backend.release_as(
        Release(lock.lock, lock.record.token, limit=limit, tombstone=tombstone)
    )
    if told:
        assert not lock.extend(600)
        assert lock.loss == "released by ann@mill"

    redeliver(work, first)
    wait_until(lambda: arrivals)
    assert arrivals == [states.IGNORED]
    following = Record(Token.of_attempt("following"))
    taken = lock.backend.acquire(lock.lock, following, 1000, limit=limit)
    assert isinstance(taken, Acquired)
    gate.open()
    wait_until(lambda: states.SUCCESS in arrivals)
    redeliver(work, first)
    wait_until(lambda: arrivals.count(states.IGNORED) > 1)

    assert value_of(first) == 1
    assert runs == [lock]
    assert lock.loss == "released by ann@mill"
    [held] = lock.backend.holders(lock.lock)
    assert held.record.token == following.token


def test_the_next_try_of_a_run_that_was_released_is_no_duplicate(worker_app):
    """It would inherit the lock; now it takes it like any admitted call."""
    runs = []

    @worker_app.task(bind=True, max_retries=1)
    @unique(lock="until_executed", backend=MemoryBackend())
    def work(self):
        lock = held_lock()
        runs.append(lock)
        if self.request.retries == 0:
            tombstone = Tombstone("ann@mill", 1000)
            lock.backend.release_as(
                Release(lock.lock, lock.record.token, tombstone=tombstone)
            )
            raise self.retry(countdown=0)
        return lock.lost

    assert value_of(work.delay()) is False
    first, second = runs
    assert first.loss == "released by ann@mill"
    assert second.backend.get(second.lock) is None
