"""Runs in shadow mode: which are reported, and what a body sees of its lock."""

import math
import time
from typing import Any

import pytest
from celery import Celery, Task, states

from tests.inprocess import value_of
from tests.published_calls import Message, key_of
from tests.waiting import wait_until
from unique_task import (
    UniqueCeleryTask,
    cached,
    current_lock,
    retry,
    skip,
    unique,
)
from unique_task.backends.record import Record, Token
from unique_task.backends.shadow import shadow_of
from unique_task.backends.steps import Finished
from unique_task.messages.stamp import MESSAGE_HEADER, OURS, stamping
from unique_task.options.lock_types import LOCK_TYPES

pytest_plugins = "tests.inprocess_fixtures"


def sent_again(app: Celery, message: Message) -> None:
    """Have a message delivered once more."""
    ours = {name: message.headers[name] for name in OURS if name in message.headers}
    with stamping(message.id, ours):
        app.send_task(message.name, task_id=message.id)


def has_finished(task: Task, message: Message) -> bool:
    """Tell whether the store knows that the attempt of a message has finished."""
    nonce, _, _ = message.headers[MESSAGE_HEADER].partition("-")
    record = Record(Token.of_attempt(message.id, message=nonce))
    store = shadow_of(task.app.conf.unique_backend)
    answer = store.acquire(key_of(task), record, 0, remember_for=60)
    return isinstance(answer, Finished)


def decides(duplicate):
    raise AssertionError("the policy was asked in shadow mode")


POLICIES: dict[str, Any] = {
    "ignore": "ignore",
    "skip": skip("skipped"),
    "cached": cached(),
    "retry": retry(),
    "raise": "raise",
    "callable": decides,
}

#: Lock types whose equal calls must not run at once.
ALONE = [name for name, lock in LOCK_TYPES.items() if lock.one_at_a_time]
FREE = sorted(LOCK_TYPES.keys() - set(ALONE))


@pytest.fixture
def run_beside(worker_app, gate):
    """Have two equal calls from a queue run at once; return how they ended."""

    def run_beside(**options):
        @worker_app.task
        @unique(**options)
        def work():
            gate.hold()
            return "ran"

        # With a callback, a duplicate is left to the worker.
        results = [work.apply_async(link=nothing.si()) for _ in range(2)]
        gate.wait_for_arrival()
        gate.wait_for_arrival()
        gate.open()
        return [value_of(result) for result in results]

    @worker_app.task
    def nothing():
        """Is called back."""

    return run_beside


@pytest.mark.parametrize("kind", POLICIES)
def test_a_direct_call_runs_beside_its_equal_and_is_counted(app, gate, counted, kind):
    @app.task
    @unique(on_duplicate=POLICIES[kind])
    def work():
        gate.hold()
        return "ran"

    with gate.holding(work), gate.holding(work) as second:
        pass

    assert second.result() == "ran"
    assert counted == [(kind, "call")]


@pytest.mark.parametrize("kind", POLICIES)
def test_a_task_runs_beside_its_equal_and_is_counted(run_beside, counted, kind):
    assert run_beside(on_duplicate=POLICIES[kind]) == ["ran", "ran"]
    assert counted == [(kind, "run")]


@pytest.mark.parametrize("lock", ALONE)
def test_runs_of_a_lock_that_is_held_while_running_are_counted(
    run_beside, counted, lock
):
    assert run_beside(lock=lock, on_duplicate="skip") == ["ran", "ran"]
    assert counted == [("skip", "run")]


def test_runs_beyond_the_limit_are_counted(run_beside, counted):
    assert run_beside(limit=2) == ["ran", "ran"]
    assert counted == []


def test_the_base_class_form_has_a_shadow_too(app, gate, counted):
    class Work(UniqueCeleryTask):
        name = "work"

        def run(self):
            gate.hold()
            return "ran"

    work = app.register_task(Work())

    with gate.holding(work), gate.holding(work) as second:
        pass

    assert second.result() == "ran"
    assert counted == [("ignore", "call")]


def test_an_eager_call_runs_beside_its_equal(app, gate, counted):
    @app.task
    @unique
    def work():
        gate.hold()
        return "ran"

    with gate.holding(work.apply), gate.holding(work.apply) as second:
        pass

    assert (second.result().result, second.result().state) == ("ran", states.SUCCESS)
    assert second.result().duplicate is False
    assert counted == [("ignore", "run")]


def test_a_call_for_which_there_is_a_fresh_value_runs_and_is_counted(app, counted):
    values = iter(range(9))

    @app.task
    @unique(on_duplicate="cached")
    def work():
        return next(values)

    assert [work(), work(), work()] == [0, 1, 2]
    assert counted == [("cached", "call")] * 2


def test_the_next_equal_call_is_not_counted(app, counted):
    @app.task
    @unique
    def work():
        return "ran"

    assert [work(), work()] == ["ran", "ran"]
    assert counted == []


def test_a_call_of_the_same_key_inside_of_its_body_is_not_counted(app, counted):
    @app.task
    @unique(key=())
    def work(depth=1):
        return work(depth - 1) if depth else "innermost"

    assert work() == "innermost"
    assert counted == []


def test_a_retry_is_not_counted(worker_app, counted, gate):
    @worker_app.task(bind=True, max_retries=2)
    @unique(lock="until_executed")
    def work(self):
        if self.request.retries < 2:
            self.retry(countdown=0)
        gate.hold()

    @worker_app.task
    @unique(lock="until_executed", namespace=work.name)
    def other():
        return "ran"

    first = work.delay()
    gate.wait_for_arrival()
    assert counted == []
    assert value_of(other.delay()) == "ran"
    assert counted == [("ignore", "publish")]  # the third try has the lock
    gate.open()
    value_of(first)
    value_of(other.delay())
    assert counted == [("ignore", "publish")]


def test_a_retry_that_meets_another_task_is_not_counted(worker_app, gate, counted):
    @worker_app.task(bind=True)
    @unique(key=())
    def work(self, retries=True):
        if retries and not self.request.retries:
            self.retry(countdown=0.3)
        gate.hold()
        return "ran"

    first = work.delay()
    wait_until(lambda: first.state == states.RETRY)
    second = work.delay(retries=False)
    gate.wait_for_arrival()
    gate.wait_for_arrival()
    gate.open()

    assert [value_of(first), value_of(second)] == ["ran", "ran"]
    assert counted == []


def test_a_retry_does_not_wait_for_the_try_that_has_sent_it(worker_app, gate, counted):
    @worker_app.task(bind=True)
    @unique(key=())
    def work(self):
        if not self.request.retries:
            self.retry(countdown=0, throw=False)
        gate.hold()

    work.delay()
    gate.wait_for_arrival()
    gate.wait_for_arrival()

    assert counted == []


def test_a_call_that_was_sent_to_wait_by_who_enforces_runs_and_is_not_counted(
    worker_app, gate, counted
):
    @worker_app.task
    @unique(on_duplicate=retry(countdown=0.2, jitter=False))
    def work():
        gate.hold()
        return "ran"

    worker_app.conf.unique_enabled = True
    first = work.delay()
    gate.wait_for_arrival()
    waits = work.delay()
    wait_until(lambda: waits.state == states.RETRY)
    worker_app.conf.unique_enabled = "shadow"
    with gate.holding(work):
        gate.wait_for_arrival()

    assert [value_of(first), value_of(waits)] == ["ran", "ran"]
    assert counted == []


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("lock", LOCK_TYPES)
def test_a_message_that_is_delivered_again_runs_and_is_not_counted(
    worker_app, gate, sent, counted, lock, late
):
    @worker_app.task(acks_late=late)
    @unique(lock=lock)
    def work():
        gate.hold()
        return "ran"

    result = work.delay()
    gate.wait_for_arrival()
    sent_again(worker_app, sent.last)
    gate.wait_for_arrival()
    gate.open()

    assert value_of(result) == "ran"
    assert counted == []


def test_a_message_that_comes_again_when_it_has_run_runs_once_more(
    worker_app, gate, sent, counted, caplog
):
    @worker_app.task(acks_late=True)
    @unique
    def work():
        gate.hold()

    gate.open()
    value_of(work.delay())
    wait_until(lambda: has_finished(work, sent.last))
    sent_again(worker_app, sent.last)
    again = f"{work.name}[{sent.last.id}] has run already, and runs again"
    wait_until(lambda: again in caplog.messages)

    assert counted == []


def test_a_body_sees_what_one_sees_that_runs_without_a_lock(app, heard_of_locks):
    @app.task
    @unique
    def work():
        lock = current_lock()
        seen = lock.fence, lock.lost, lock.remaining(), lock.extend(1)
        return *seen, lock.release(), lock.lost

    assert work() == (None, False, math.inf, True, True, False)
    assert heard_of_locks == []


def test_an_equal_call_after_the_body_has_released_its_lock_is_not_counted(
    app, gate, counted
):
    @app.task
    @unique
    def work():
        current_lock().release()
        gate.hold()

    with gate.holding(work), gate.holding(work):
        pass

    assert counted == []


def test_the_log_tells_whose_duplicate_a_call_would_be(app, gate, caplog):
    @app.task
    @unique
    def work():
        gate.hold()

    with gate.holding(work.apply, task_id="one"):
        with gate.holding(work.apply, task_id="other"):
            pass

    assert (
        "unique_task.duplicates",
        20,
        f"{work.name}[other] would be a duplicate of one (ignore)",
    ) in caplog.record_tuples


def test_the_signal_of_real_duplicates_is_not_sent(app, gate, counted, heard_of_locks):
    @app.task
    @unique
    def work():
        gate.hold()

    with gate.holding(work), gate.holding(work):
        pass

    assert counted
    assert heard_of_locks == []


def test_the_lock_is_renewed_while_the_body_runs(app, gate, counted):
    @app.task
    @unique(expire=0.3)
    def work():
        gate.hold()

    with gate.holding(work):
        end = time.monotonic() + 0.6
        wait_until(lambda: time.monotonic() > end)
        with gate.holding(work):
            pass

    assert counted == [("ignore", "call")]


def test_who_enforces_locks_does_not_meet_one_of_shadow_mode(app, gate, counted):
    @app.task
    @unique
    def work():
        gate.hold()
        return "ran"

    with gate.holding(work):
        app.conf.unique_enabled = True
        with gate.holding(work):
            assert work() is None
            app.conf.unique_enabled = "shadow"
            with gate.holding(work):
                pass

    assert counted == [("ignore", "call")]
