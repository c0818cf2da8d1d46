"""The finished mark: an attempt that has ended does not run again."""

from uuid import uuid4

import pytest
from celery.exceptions import Ignore, Reject, Retry
from celery.signals import task_postrun

from tests.held_lock import held_lock
from tests.inprocess import value_of
from tests.waiting import in_time, wait_until
from unique_task import retry, unique
from unique_task.backends.record import Record, attempt_of
from unique_task.backends.steps import Finished, Held
from unique_task.messages.stamp import nonce_and_age

pytest_plugins = "tests.inprocess_fixtures"

ENDS: dict[str, BaseException | None] = {
    "return": None,
    "error": ValueError("the body fails"),
    "ignore": Ignore(),
    "retry": Retry("the body retries"),
    "reject": Reject("the body rejects", requeue=False),
    "broken off": SystemExit(),
}


@pytest.fixture
def end(worker_app):
    """Run a task that ends in some way; return whether it has a finished mark."""

    def end(how, countdown=None, **options):
        locks = []

        @worker_app.task(bind=True, ignore_result=True, **options)
        @unique
        def work(self, name):
            locks.append(held_lock())
            if error := ENDS[how]:
                raise error

        # The worker's store keeps the marks of other tests.
        work.apply_async([uuid4().hex], countdown=countdown)
        [lock] = wait_until(lambda: locks)
        wait_until(lambda: lock.backend.get(lock.key) is None)
        again = Record(f"{attempt_of(lock.record.token)}/another")

        def arrive():
            answer = lock.backend.acquire(lock.key, again, expire=60, remember_for=60)
            # Until the outcome is stored, the first one leaves.
            return None if isinstance(answer, Held) else answer

        return isinstance(wait_until(arrive), Finished)

    return end


# With late acknowledgement, a message that goes back to its queue runs again.
@pytest.mark.parametrize("how", ENDS)
def test_a_message_that_is_acknowledged_late(end, how):
    assert end(how, acks_late=True) == (how not in ("reject", "broken off"))


# The broker may deliver it twice while it waits; it is acknowledged at its start.
@pytest.mark.parametrize("how", ENDS)
def test_a_message_with_an_eta(end, how):
    assert end(how, countdown=0.01) == (how != "broken off")


@pytest.mark.parametrize("how", ENDS)
def test_a_message_that_cannot_come_again_gets_no_mark(end, how):
    assert not end(how)


def test_a_failure_that_goes_to_a_queue_of_dead_letters_may_come_again(end):
    assert not end("error", acks_late=True, acks_on_failure_or_timeout=False)


@pytest.mark.usefixtures("delivered_again")
def test_a_second_delivery_does_not_run_and_leaves_the_result_alone(worker_app, caplog):
    runs = []

    @worker_app.task(acks_late=True)
    @unique(on_duplicate="raise")
    def work():
        runs.append(held_lock())
        return len(runs)

    first = work.delay()
    assert value_of(first) == 1
    wait_until(lambda: runs[0].released)

    second = work.apply_async(task_id=first.id)

    wait_until(lambda: f"{first.id}] has run already" in caplog.text)
    assert value_of(second) == 1
    assert len(runs) == 1


@pytest.mark.parametrize("countdown", [None, 0.01])
def test_an_id_that_is_used_again_runs_again(worker_app, countdown):
    runs = []

    @worker_app.task(acks_late=True)
    @unique
    def work():
        runs.append(held_lock())

    for _ in range(3):
        result = work.apply_async(task_id="nightly", countdown=countdown)
        value_of(result)
        wait_until(lambda: runs[-1].released)
        result.forget()

    assert len(runs) == 3


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "after a wait"])
def test_a_retry_that_does_not_count_runs(worker_app, gate, waits):
    """Celery gives it the number of the try that it follows."""
    runs = []

    @worker_app.task(bind=True, acks_late=True, ignore_result=waits)
    @unique(key=(), on_duplicate=retry(countdown=0.1))
    def work(self, first):
        gate.hold()
        if first:
            return
        runs.append(self.request.retries)
        if len(runs) < 3:
            self.request.retries -= 1
            raise self.retry(countdown=0)

    if waits:
        work.delay(first=True)
        gate.wait_for_arrival()
    work.delay(first=False)
    gate.open()

    wait_until(lambda: len(runs) == 3)
    assert runs == [0, 0, 0]


GOOD = "0123abcd-1700000000"


@pytest.mark.parametrize(
    "header",
    [None, 17, [GOOD], "two words", "a/b-1", f"{GOOD} ", f"{GOOD}\n", GOOD.upper()],
)
def test_a_mark_in_another_form_is_no_mark(header):
    assert nonce_and_age(header) == ("", 0.0)


def test_an_equal_call_is_another_attempt_and_runs(worker_app):
    @worker_app.task(acks_late=True)
    @unique(on_duplicate="retry")
    def work():
        return held_lock().owner

    results = [work.delay() for _ in range(2)]

    assert [value_of(result) for result in results] == [r.id for r in results]


@pytest.mark.usefixtures("delivered_again")
def test_a_second_delivery_holds_no_slot_while_the_first_one_runs(worker_app, gate):
    slots = []

    @worker_app.task(acks_late=True)
    @unique
    def work():
        gate.hold()
        return "ran"

    @task_postrun.connect
    def note(task_id, state, **_):
        slots.append(state)

    def second_delivery():
        before = len(slots)
        work.apply_async(task_id=first.id)
        wait_until(lambda: len(slots) > before)

    first = work.delay()
    gate.wait_for_arrival()
    # A duplicate waits up to a second for a try that ends at once.
    in_time(second_delivery, 1)
    assert set(slots) == {"IGNORED"}
    gate.open()
    assert value_of(first) == "ran"
