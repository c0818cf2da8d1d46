"""Every way out of a body releases its lock: queued, eager and direct."""

from collections.abc import Callable
from threading import Event
from typing import Any

import pytest
from celery.exceptions import Ignore, Reject, Retry, TaskRevokedError
from celery.signals import task_postrun

from tests.held_lock import held_lock
from tests.inprocess import TIMEOUT, value_of
from tests.waiting import wait_until
from unique_task import unique
from unique_task.leases.held_lease import HeldLease

pytest_plugins = "tests.inprocess_fixtures"


class Stop(BaseException):
    """Ends a greenlet, a thread or a process; it is no Exception."""


EXITS = [
    ZeroDivisionError("in the body"),
    Ignore(),
    Retry("later"),
    Reject("no"),
    SystemExit(1),
    KeyboardInterrupt(),
    Stop(),
]


def named(error: object) -> str:
    return type(error).__name__


@pytest.fixture
def make(worker_app):
    """Make a task that shows the lock of its run and ends in a given way."""

    def make(end, locks, **options):
        @worker_app.task(bind=True, **options)
        @unique
        def work(self):
            locks.append(held_lock())
            return end(self)

        return work

    return make


def is_free(lock: HeldLease) -> bool:
    return lock.backend.get(lock.key) is None


def raising(error: BaseException) -> Callable[[Any], Any]:
    def end(task: Any) -> None:
        raise error

    return end


@pytest.mark.parametrize("error", EXITS, ids=named)
def test_a_direct_call_releases_its_lock(make, error):
    locks: list[HeldLease] = []
    work = make(raising(error), locks)

    with pytest.raises(type(error)):
        work()

    assert is_free(locks[0])


@pytest.mark.parametrize("error", EXITS, ids=named)
def test_an_eager_call_releases_its_lock(make, error):
    locks: list[HeldLease] = []
    work = make(raising(error), locks, max_retries=0)

    try:
        work.apply()
    except BaseException as raised:
        assert raised is error

    assert is_free(locks[0])


# Tests with real workers try the others, which may end a worker.
@pytest.mark.parametrize("error", EXITS[:4], ids=named)
@pytest.mark.parametrize("late", [False, True], ids=["early", "late"])
def test_a_queued_run_releases_its_lock(make, error, late):
    locks: list[HeldLease] = []
    ended = Event()
    work = make(raising(error), locks, acks_late=late)

    @task_postrun.connect
    def note(**_):
        ended.set()

    work.delay()

    assert ended.wait(TIMEOUT)
    wait_until(lambda: is_free(locks[0]))


def test_the_body_still_has_its_lock_when_it_ends(make):
    locks: list[HeldLease] = []
    held = []
    work = make(lambda task: held.append(not is_free(locks[0])), locks)

    value_of(work.delay())

    assert held == [True]


def test_a_retry_releases_the_lock_between_two_tries(make):
    locks: list[HeldLease] = []

    def end(task):
        if task.request.retries < 2:
            raise task.retry(countdown=0)
        return "ran"

    work = make(end, locks)

    work.delay()

    wait_until(lambda: len({lock.record.token for lock in locks}) == 3)
    wait_until(lambda: all(map(is_free, locks)))
    assert len({lock.owner for lock in locks}) == 1


def test_a_duplicate_runs_once_the_first_has_failed(worker_app, gate):
    @worker_app.task
    @unique
    def work():
        gate.hold()
        raise ZeroDivisionError

    first = work.delay()
    gate.wait_for_arrival()
    with pytest.raises(TaskRevokedError, match=f"duplicate of {first.id}"):
        value_of(work.delay())
    gate.open()
    with pytest.raises(ZeroDivisionError):
        value_of(first)

    with pytest.raises(ZeroDivisionError):
        value_of(work.delay())


def test_a_duplicate_releases_nothing_of_the_first(worker_app, gate):
    @worker_app.task
    @unique
    def work():
        gate.hold()

    first = work.delay()
    gate.wait_for_arrival()
    for _ in range(3):
        with pytest.raises(TaskRevokedError):
            value_of(work.delay())

    gate.open()
    value_of(first)


def test_the_caller_gets_the_error_that_a_body_raises(make):
    error = ZeroDivisionError("in the body")
    work = make(raising(error), [])

    with pytest.raises(ZeroDivisionError) as caught:
        work()

    assert caught.value is error
    assert caught.value.__cause__ is caught.value.__context__ is None
