"""A message that is delivered twice: what the second delivery does and keeps."""

from typing import Any

import celery
import pytest
from celery import states
from celery.result import AsyncResult
from celery.signals import before_task_publish, task_postrun

from tests.clock import Clock
from tests.inprocess import value_of
from tests.waiting import wait_until
from unique_task import (
    MemoryBackend,
    UniqueCeleryTask,
    cached,
    current_lock,
    skip,
    unique,
)
from unique_task.messages.states import defer_started

pytest_plugins = "tests.inprocess_fixtures"

pytestmark = pytest.mark.usefixtures("delivered_again")

POLICIES: dict[str, Any] = {"ignore": "ignore", "raise": "raise", "skip": skip(17)}


@pytest.fixture
def ended():
    """The states in which arrivals ended, and when, by task."""
    ended: dict[str, list[str]] = {}

    @task_postrun.connect
    def note(task_id, state, **_):
        ended.setdefault(task_id, []).append(str(state))

    yield ended
    task_postrun.disconnect(note)


def stored_state(result: AsyncResult) -> str:
    return str(result.backend.get_task_meta(result.id, cache=False)["status"])


@pytest.mark.parametrize("policy", POLICIES)
def test_a_duplicate_stays_a_duplicate(worker_app, gate, ended, policy):
    runs = []

    @worker_app.task(acks_late=True)
    @unique(on_duplicate=POLICIES[policy])
    def work():
        runs.append(current_lock().owner)
        gate.hold()

    first = work.delay()
    gate.wait_for_arrival()
    duplicate = work.delay()
    wait_until(lambda: ended.get(duplicate.id))
    settled = stored_state(duplicate)
    gate.open()
    value_of(first)

    # Its worker died before it acknowledged, and the key is free now.
    work.apply_async(task_id=duplicate.id)
    wait_until(lambda: len(ended[duplicate.id]) == 2)

    assert runs == [first.id]
    assert ended[duplicate.id][1] == states.IGNORED
    assert stored_state(duplicate) == settled


def test_a_task_that_got_a_cached_value_keeps_it(worker_app, ended):
    runs = []
    clock = Clock()

    @worker_app.task(acks_late=True)
    @unique(on_duplicate=cached(ttl=60), backend=MemoryBackend(clock))
    def work():
        runs.append(1)
        return len(runs)

    value_of(work.delay())
    second = work.delay()
    assert value_of(second) == 1
    wait_until(lambda: ended.get(second.id))
    clock.now += 61

    work.apply_async(task_id=second.id)
    wait_until(lambda: len(ended[second.id]) == 2)

    assert len(runs) == 1
    assert ended[second.id][1] == states.IGNORED


def test_a_message_that_has_not_run_yet_is_a_duplicate(worker_app, gate, ended):
    """Delivered again or not, it never got the lock."""

    @worker_app.task(acks_late=True)
    @unique
    def work():
        gate.hold()

    work.delay()
    gate.wait_for_arrival()

    duplicate = work.delay()
    wait_until(lambda: ended.get(duplicate.id))

    assert stored_state(duplicate) == states.REVOKED


def test_a_task_that_got_the_lock_before_waits_for_a_call_that_came_between(
    worker_app, gate, ended
):
    @worker_app.task(acks_late=True)
    @unique(key=(), on_duplicate="raise")
    def work(how):
        if how == "break off" and current_lock().owner not in ended:
            raise SystemExit
        gate.hold()
        return how

    died = work.delay("break off")
    wait_until(lambda: ended.get(died.id))
    foreign = work.delay("run")
    gate.wait_for_arrival()

    work.apply_async(["break off"], task_id=died.id)
    wait_until(lambda: len(ended[died.id]) == 2)
    assert ended[died.id] == ["None", states.IGNORED]
    gate.open()

    assert value_of(foreign) == "run"
    assert value_of(died) == "break off"


@pytest.fixture
def waiting(worker_app, gate, ended):
    """Run a first delivery; return what the second one sends when it waits."""

    def waiting(task, *args, **options):
        sent = []

        def note(headers, **_):
            sent.append(headers)

        first = task.apply_async(args, **options)
        gate.wait_for_arrival()
        task.apply_async(args, task_id=first.id, **options)
        before_task_publish.connect(note)
        wait_until(lambda: ended.get(first.id))
        before_task_publish.disconnect(note)
        gate.open()
        value_of(first)
        return first, sent

    return waiting


def test_a_delivery_that_waits_for_the_first_one_does_not_expire(
    worker_app, gate, waiting
):
    @worker_app.task(acks_late=True)
    @unique
    def work():
        gate.hold()

    first, [again] = waiting(work, expires=60)

    assert again["id"] == first.id
    # The expiry would revoke the delivery that runs.
    assert again["expires"] is None


def test_a_delivery_that_cannot_be_sent_to_wait_for_the_first_one_is_silent(
    worker_app, gate, waiting, ended, monkeypatch
):
    @worker_app.task
    @unique
    def work():
        gate.hold()

    def fail(*_):
        raise OSError("the broker is away")

    monkeypatch.setattr("unique_task.messages.requeue.send", fail)

    first, sent = waiting(work, countdown=0.01)

    assert sent == []
    assert ended[first.id][0] == states.IGNORED
    assert stored_state(first) == states.SUCCESS


def test_an_attempt_whose_body_released_its_lock_has_a_finished_mark(worker_app, ended):
    runs = []

    @worker_app.task(base=UniqueCeleryTask, bind=True, acks_late=True)
    def work(self):
        runs.append(1)
        self.release_lock(self.generate_lock_id())

    first = work.delay()
    wait_until(lambda: ended.get(first.id))
    work.apply_async(task_id=first.id)
    wait_until(lambda: len(ended[first.id]) == 2)

    assert len(runs) == 1


@pytest.mark.skipif(celery.VERSION < (5, 7), reason="acks_on_failure is new in 5.7")
@pytest.mark.parametrize(("acked", "tries"), [(True, 1), (False, 2)])
def test_a_failure_that_was_not_acknowledged_runs_again(
    worker_app, ended, acked, tries
):
    runs = []

    @worker_app.task(acks_late=True, acks_on_failure=acked)
    @unique
    def work():
        runs.append(1)
        raise ValueError("the body fails")

    first = work.delay()
    wait_until(lambda: ended.get(first.id))
    work.apply_async(task_id=first.id)
    wait_until(lambda: len(ended[first.id]) == 2)

    assert len(runs) == tries


class Renewing(MemoryBackend):
    """Counts the renewals."""

    renewals = 0

    def _renew(self, renewals):
        self.renewals += 1
        return super()._renew(renewals)


def test_the_state_started_is_stored_under_a_lock_that_is_renewed(
    worker_app, monkeypatch
):
    monkeypatch.setitem(worker_app.conf.changes, "unique_lease", 4)
    locks = Renewing()

    @worker_app.task(track_started=True)
    @unique(backend=locks)
    def work():
        return current_lock().lost

    defer_started(worker_app.tasks[work.name])
    # Each thread has its own store.
    kind = type(worker_app.backend)
    store = kind.store_result

    def store_slowly(self, task_id, result, state, **options):
        if state == states.STARTED:
            wait_until(lambda: locks.renewals)
        return store(self, task_id, result, state, **options)

    monkeypatch.setattr(kind, "store_result", store_slowly)

    assert value_of(work.delay()) is False
    assert locks.renewals
