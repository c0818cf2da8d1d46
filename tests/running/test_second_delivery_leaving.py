"""A message that is delivered again while its first delivery leaves."""

import os

import pytest
from celery import states

from tests.held_lock import held_lock
from tests.inprocess import TIMEOUT, value_of
from tests.waiting import wait_until
from unique_task import MemoryBackend, unique
from unique_task.backends.steps import Leaving
from unique_task.options.lock_types import LOCK_TYPES

pytest_plugins = "tests.inprocess_fixtures"

LOCKS = list(LOCK_TYPES)


class Counting(MemoryBackend):
    """Counts how often an attempt renews that it leaves."""

    renewed = 0

    def _renew(self, renewals):
        self.renewed += sum(renewal.leaving for renewal in renewals)
        return super()._renew(renewals)


@pytest.mark.parametrize("limit", [1, 3])
@pytest.mark.parametrize("lock", LOCKS)
def test_it_waits_for_the_end_of_the_first_and_does_not_run(
    worker_app, slow, arrivals, redeliver, lock, limit
):
    runs = []

    @worker_app.task(base=slow, acks_late=True)
    @unique(lock=lock, backend=MemoryBackend(), limit=limit)
    def work():
        runs.append(1)
        return len(runs)

    first = work.delay()
    assert slow.left.wait(TIMEOUT)

    redeliver(work, first)
    wait_until(lambda: arrivals)
    assert arrivals == [states.IGNORED]
    slow.may_end.set()
    wait_until(lambda: states.SUCCESS in arrivals)
    redeliver(work, first)
    wait_until(lambda: arrivals.count(states.IGNORED) > 1)

    assert value_of(first) == 1
    assert len(runs) == 1


def test_it_counts_as_alive_for_as_long_as_it_takes(worker_app, slow, monkeypatch):
    monkeypatch.setitem(worker_app.conf.changes, "unique_lease", 0.3)
    locks, runs = Counting(), []

    @worker_app.task(base=slow, acks_late=True)
    @unique(backend=locks)
    def work():
        runs.append(held_lock())

    first = work.delay()
    assert slow.left.wait(TIMEOUT)
    wait_until(lambda: locks.renewed > 3)
    slow.may_end.set()

    wait_until(lambda: first.successful() and runs[0].departure)
    assert len(runs) == 1


def test_one_that_died_while_it_left_is_run_again(worker_app, redeliver):
    """The store has the record of a process that is gone."""
    runs = []

    @worker_app.task(acks_late=True)
    @unique(backend=MemoryBackend())
    def work():
        lock = held_lock()
        runs.append(lock.record.token)
        if len(runs) == 1:
            # Freed as it is when the body ends; then its process is killed.
            gone = Leaving(lock.record, 600)
            gone.record.process = dead_process(lock.record.process)
            lock.backend.release(lock.key, lock.record.token, leaving=gone)
            lock.departure = None
            raise SystemExit
        return "ran"

    first = work.delay()
    wait_until(lambda: runs)
    redeliver(work, first)

    assert value_of(first) == "ran"
    assert len(runs) == 2


def dead_process(process: str) -> str:
    """Return the name of a process that ran here before this one."""
    own = f"{os.getpid()}"
    assert own in process
    return process.replace(own, str(os.getpid() ^ 0x3FF))
