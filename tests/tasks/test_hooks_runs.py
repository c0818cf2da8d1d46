"""Ends of runs, and automatic retries, in a worker."""

from typing import Any

import pytest
from celery.signals import task_postrun

from tests.held_lock import held_lock
from tests.inprocess import TIMEOUT, value_of
from tests.waiting import wait_until
from unique_task import (
    DuplicateTaskError,
    LockStoreError,
    MemoryBackend,
    UniqueKeyError,
    unique,
)
from unique_task.leases.held_lease import HeldLease

pytest_plugins = "tests.inprocess_fixtures"


@pytest.mark.parametrize("fails", [False, True])
def test_with_late_acknowledgement_the_lock_is_freed_when_the_run_is_over(
    worker_app, gate, fails
):
    locks: list[HeldLease] = []

    @worker_app.task(acks_late=True)
    @unique(on_duplicate="raise")
    def work():
        locks.append(held_lock())
        gate.hold()
        if fails:
            raise ZeroDivisionError

    with gate.holding(
        lambda: work.delay().get(TIMEOUT, propagate=False, interval=0.01)
    ):
        with pytest.raises(DuplicateTaskError):
            work()

    wait_until(lambda: locks[0].backend.get(locks[0].key) is None)


class Down(MemoryBackend):
    """A store that does not answer."""

    def _acquire(self, *args):
        raise LockStoreError("the store is down")


@pytest.fixture
def counted(worker_app):
    """Make a task that retries itself for any error, and count its tries."""

    ended: list[Any] = []

    def counted(body, options=None, **task_options):
        tries: list[int] = []

        @worker_app.task(
            bind=True,
            retry_kwargs={"max_retries": 2, "countdown": 0},
            **{"autoretry_for": (Exception,), **task_options},
        )
        @unique(**(options or {}))
        def work(self, item):
            return body(item)

        @task_postrun.connect(weak=False)
        def note(task=None, **_):
            # Of a test before, one of the same name may end late.
            if work == task:
                tries.append(task.request.retries)

        ended.append(note)
        return work, tries

    yield counted
    for note in ended:
        task_postrun.disconnect(note)


NOT_FOR = [{}, {"dont_autoretry_for": (KeyError,)}]


@pytest.mark.parametrize("not_for", NOT_FOR)
def test_a_duplicate_is_not_retried_automatically(counted, gate, not_for):
    work, tries = counted(
        lambda item: gate.hold(), {"on_duplicate": "raise"}, **not_for
    )

    with gate.holding(work, 1), pytest.raises(DuplicateTaskError):
        value_of(work.delay(1))
    wait_until(lambda: tries == [0])


@pytest.mark.parametrize("not_for", NOT_FOR)
def test_a_store_that_is_down_is_not_retried_automatically(
    worker_app, counted, not_for
):
    work, tries = counted(lambda item: item, {"backend": Down()}, **not_for)
    worker_app.conf.unique_on_unavailable = "raise"

    try:
        with pytest.raises(LockStoreError, match="the store is down"):
            value_of(work.delay(1))
    finally:
        worker_app.conf.unique_on_unavailable = "retry"
    wait_until(lambda: tries == [0])


@pytest.mark.parametrize("not_for", NOT_FOR)
def test_a_call_without_a_key_is_not_retried_automatically(counted, not_for):
    work, tries = counted(lambda item: item, {"key": lambda item: None}, **not_for)

    with pytest.raises(UniqueKeyError):
        value_of(work.delay(1))
    wait_until(lambda: tries == [0])


@pytest.mark.parametrize("not_for", NOT_FOR)
def test_an_error_of_the_body_is_retried_automatically(counted, not_for):
    def fail(item):
        raise ZeroDivisionError

    work, tries = counted(fail, **not_for)

    work.delay(1)

    wait_until(lambda: sorted(tries) == [0, 1, 2])


def test_what_is_not_to_be_retried_stays_so(counted):
    def fail(item):
        raise KeyError(item)

    work, tries = counted(fail, dont_autoretry_for=(KeyError,))

    with pytest.raises(KeyError):
        value_of(work.delay(1))
    wait_until(lambda: tries == [0])


def test_a_duplicate_met_inside_of_the_body_is_an_error_of_the_body(
    worker_app, counted, gate
):
    @worker_app.task
    @unique(on_duplicate="raise")
    def inner():
        gate.hold()

    outer, tries = counted(lambda item: inner())

    with gate.holding(inner):
        outer.delay(1)
        wait_until(lambda: sorted(tries) == [0, 1, 2])


@pytest.mark.parametrize("guard", [unique, lambda function: function])
def test_a_body_may_retry_itself_for_a_duplicate(worker_app, gate, guard):
    tries = []

    @worker_app.task
    @unique(on_duplicate="raise")
    def inner():
        gate.hold()

    @worker_app.task(bind=True)
    @guard
    def outer(self):
        tries.append(self.request.retries)
        try:
            return inner()
        except DuplicateTaskError as error:
            raise self.retry(exc=error, countdown=0, max_retries=2)

    with gate.holding(inner):
        outer.delay()
        wait_until(lambda: tries == [0, 1, 2])
