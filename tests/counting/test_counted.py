"""What is counted of a call: at publish, at run, while it waits and when it ends."""

from contextlib import suppress
from typing import Any

import pytest
from celery.exceptions import TaskRevokedError

from tests.counting.counted import Away, all_counted, counted
from tests.inprocess import value_of
from tests.published_calls import task_of
from tests.waiting import wait_until
from unique_task import (
    DuplicateTaskError,
    LockStoreError,
    MemoryBackend,
    cached,
    current_lock,
    retry,
    skip,
    unique,
)
from unique_task.backends.record import Record

pytest_plugins = "tests.inprocess_fixtures"

SOON = retry(countdown=0.1, maximum=0.2)


def deny(duplicate: Any) -> None:
    raise PermissionError


POLICIES = [
    ("ignore", "ignore"),
    (skip(1), "skip"),
    (cached(60), "cached"),
    (retry(countdown=5), "retry"),
    ("raise", "raise"),
    (lambda duplicate: 1, "callable"),
    (deny, "callable"),
]


def test_a_run_is_counted_when_its_lock_is_released(app):
    @app.task(name="work")
    @unique
    def work(item):
        before = counted(app)
        current_lock().release()
        return before, counted(app)

    assert work(1) == ({}, {"runs": 1})
    assert counted(app) == {"runs": 1}


def test_how_long_the_lock_was_held_is_counted(app):
    @app.task(name="work")
    @unique
    def work():
        lock = current_lock()
        start = lock.remaining()
        wait_until(lambda: lock.remaining() < start - 0.1)

    work()

    assert 0.1 < all_counted(app)["work"]["held_seconds"] < 30


def test_a_run_that_raises_is_a_run(app):
    @app.task(name="work")
    @unique
    def work():
        raise PermissionError

    with suppress(PermissionError):
        work()

    assert counted(app) == {"runs": 1}


def test_tasks_are_counted_each_for_itself_also_in_one_namespace(app):
    for name in ("one", "two"):
        task_of(app, unique(namespace="both"), name)()

    assert {task: amounts["runs"] for task, amounts in all_counted(app).items()} == {
        "one": 1,
        "two": 1,
    }


@pytest.mark.parametrize("policy, kind", POLICIES)
def test_duplicates_are_counted_by_policy_where_they_are_called(
    app, gate, policy, kind
):
    @app.task(name="work")
    @unique(on_duplicate=policy)
    def work():
        gate.hold()

    with gate.holding(work):
        with suppress(DuplicateTaskError, PermissionError):
            work()

    assert counted(app) == {"runs": 1, f"duplicates.{kind}.call": 1}


@pytest.mark.parametrize("policy, kind", [one for one in POLICIES if one[1] != "retry"])
def test_duplicates_are_counted_by_policy_where_they_are_published(app, policy, kind):
    work = task_of(app, unique(lock="until_executed", on_duplicate=policy))
    work.delay()

    with suppress(DuplicateTaskError, PermissionError):
        work.delay()

    assert counted(app) == {f"duplicates.{kind}.publish": 1}


def test_a_call_that_is_given_a_stored_value_is_counted_as_cached(app):
    work = task_of(app, unique(on_duplicate=cached(60)))
    work()
    work()

    assert counted(app) == {"runs": 1, "duplicates.cached.call": 1, "cached": 1}


def test_a_published_call_that_is_given_a_value_is_counted_as_cached(app):
    guard = unique(lock="until_executed", on_duplicate=cached(60))
    work = task_of(app, guard)
    work()
    work.delay()

    assert counted(app) == {"runs": 1, "duplicates.cached.publish": 1, "cached": 1}


@pytest.fixture
def work(worker_app, gate):
    """Make a task on a worker that waits at the gate."""
    worker_app.conf.unique_backend = MemoryBackend()

    def work(**options):
        @worker_app.task(name="work")
        @unique(**options)
        def work():
            gate.hold()

        return work

    return work


def test_a_call_that_waits_is_one_duplicate_and_as_many_waits(work, worker_app, gate):
    task = work(on_duplicate=SOON)

    with gate.holding(task):
        later = task.delay()
        wait_until(lambda: counted(worker_app).get("waits", 0) >= 2)
    value_of(later)

    wait_until(lambda: counted(worker_app).get("runs") == 2)
    amounts = all_counted(worker_app)["work"]
    assert (amounts["duplicates.retry.run"], amounts["waited"]) == (1, 1)
    assert 0.1 < amounts["waited_seconds"] < 30


def test_a_call_that_waits_for_a_value_is_counted_as_cached_too(work, worker_app, gate):
    task = work(on_duplicate="cached")

    with gate.holding(task):
        later = task.delay()
        wait_until(lambda: counted(worker_app).get("waits"))
    value_of(later)

    amounts = counted(worker_app)
    assert amounts.pop("waits") >= 1
    names = {"runs": 1, "duplicates.cached.run": 1, "cached": 1, "waited": 1}
    assert amounts == names


def test_a_replaced_message_is_counted_when_it_arrives(work, worker_app):
    task = work(lock="until_executing", on_duplicate="replace")
    first = task.apply_async(countdown=0.2)
    task.apply_async(countdown=100)

    with pytest.raises(TaskRevokedError):
        value_of(first)

    assert counted(worker_app) == {"replaced": 1}


def test_a_lock_that_is_lost_is_counted_once(app):
    store = app.conf.unique_backend

    @app.task(name="work")
    @unique
    def work():
        lock = current_lock()
        [held] = store.holders(lock.key)
        store.release(lock.key, held.record.token)
        store.acquire(lock.key, Record("thief/0/0//nonce"), expire=100)

    work()

    assert counted(app) == {"runs": 1, "lost": 1}


class Silent(Away):
    """A store that gives no lock, and counts."""

    def _acquire(self, wanted: Any) -> Any:
        raise LockStoreError("no answer")

    _reserve = _acquire


@pytest.mark.parametrize("call", ["__call__", "delay"])
@pytest.mark.parametrize("choice", ["raise", "run"])
def test_a_call_without_an_answer_of_the_store_is_a_store_error(app, call, choice):
    app.conf.update(unique_backend=Silent(), unique_on_unavailable=choice)
    work = task_of(app, unique(lock="until_executed"))

    with suppress(LockStoreError):
        getattr(work, call)()

    assert counted(app) == {"store_errors": 1}


def test_a_run_whose_lock_the_store_does_not_release_is_a_store_error(app):
    class Deaf(MemoryBackend):
        deaf = True

        def _release(self, release: Any) -> bool:
            if self.deaf:
                raise LockStoreError("no answer")
            return super()._release(release)

    store = app.conf.unique_backend = Deaf()
    task_of(app)()
    store.deaf = False

    assert counted(app) == {"runs": 1, "store_errors": 1}


def test_a_body_without_a_lock_is_no_run(app):
    app.conf.unique_enabled = False
    task_of(app)()

    assert counted(app) == {}
