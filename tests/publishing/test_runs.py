"""What becomes of a lock that was taken at publish when its task runs."""

from typing import Any
from uuid import uuid4

import pytest
from celery.exceptions import TaskRevokedError

from tests.inprocess import value_of
from tests.published_calls import holder, is_duplicate, key_of, record_at, remaining
from tests.waiting import in_time, wait_until
from unique_task import MemoryBackend, cached, current_lock, replace, retry, unique
from unique_task.backends.record import Record
from unique_task.options.guarded_class import GUARDED
from unique_task.options.lock_types import LOCK_TYPES

pytest_plugins = "tests.inprocess_fixtures"

SOON = retry(countdown=0.02, maximum=0.1)


def test_until_executing_is_free_once_the_body_runs(guarded, gate):
    work = guarded("until_executing")
    first = work.delay()
    gate.wait_for_arrival()

    assert holder(work) is None
    second = work.delay()
    assert not second.duplicate
    gate.wait_for_arrival()
    gate.open()
    assert [value_of(first), value_of(second)] == [1, 1]


def test_until_executed_is_held_by_a_token_of_the_run_until_that_ends(
    guarded, gate, sent
):
    work = guarded("until_executed")
    first = work.delay()
    gate.wait_for_arrival()

    record = holder(work)
    assert (record.owner, record.state) == (first.id, "running")
    assert record.token != sent.last.lock["token"]
    assert is_duplicate(work.delay(), of=first)
    gate.open()
    assert value_of(first) == 1
    wait_until(lambda: holder(work) is None)


class Noting(MemoryBackend):
    """Notes when what it has reserved ends, before any worker hears of that."""

    reserved_until = 0.0

    def _reserve(self, wanted: Any) -> Any:
        reserved = super()._reserve(wanted)
        self.reserved_until = self._cells["lock", wanted.key].end
        return reserved


def test_until_expired_stands_for_the_rest_of_its_time_whatever_the_task_does(
    guarded, gate, sent
):
    work = guarded("until_expired", expire=100)
    store = work.app.conf.unique_backend = Noting()
    first = work.delay()
    gate.wait_for_arrival()
    end = store._cells["lock", key_of(work)].end
    assert end == pytest.approx(store.reserved_until, abs=0.01)
    assert holder(work).token != sent.last.lock["token"]
    assert holder(work).process == ""  # it outlives the process
    gate.open()

    assert value_of(first) == 1
    assert is_duplicate(work.delay(), of=first)
    assert 50 < remaining(work) < 100


def test_until_and_while_executing_lets_one_wait_while_another_runs(guarded, gate):
    work = guarded("until_and_while_executing", on_duplicate={"run": SOON})
    first = work.delay()
    gate.wait_for_arrival()
    assert holder(work, pending=".pending") is None
    assert holder(work).owner == first.id

    second = work.delay()
    assert not second.duplicate
    assert is_duplicate(work.delay(), of=second)
    wait_until(lambda: second.state == "RETRY")
    assert holder(work, pending=".pending").owner == second.id
    assert is_duplicate(work.delay(), of=second)
    gate.open()

    assert [value_of(first), value_of(second)] == [1, 1]
    wait_until(lambda: holder(work) is None)
    assert holder(work, pending=".pending") is None


@pytest.mark.parametrize("lock", ["until_executing", "until_executed", "until_expired"])
def test_what_came_after_the_end_of_its_lock_runs_if_that_is_free(guarded, gate, lock):
    gate.open()
    work = guarded(lock)

    result = after_its_time(work)

    assert value_of(result) == 1
    wait_until(lambda: (holder(work) is not None) == (lock == "until_expired"))


@pytest.mark.parametrize("lock", ["until_executing", "until_executed", "until_expired"])
def test_what_came_after_the_end_of_its_lock_is_a_duplicate_of_who_has_it(
    guarded, lock
):
    work = guarded(lock)

    result = after_its_time(work, Record("other/0/0//a", state="pending"))

    with pytest.raises(TaskRevokedError, match="duplicate of other"):
        value_of(result)
    assert holder(work).owner == "other"
    wait_until(
        lambda: not holds(result.id, record_at(work.app, run_lock(work, result)))
    )


def holds(owner: str, record: Any) -> bool:
    return record is not None and record.owner == owner


def run_lock(task: Any, result: Any) -> str:
    kind = LOCK_TYPES[getattr(task, GUARDED).options.lock]
    return kind.run_name(key_of(task), result.id)


def after_its_time(task: Any, other: Record | None = None) -> Any:
    """Publish it, have its lock end, and then be taken by another one."""
    store = task.app.conf.unique_backend

    class Forgetful(MemoryBackend):
        fingerprint = store.fingerprint

        def _reserve(self, wanted: Any) -> Any:
            reserved = super()._reserve(wanted)
            self._cells.clear()
            if other is not None:
                self.acquire(wanted.key, other, 60)
            return reserved

    task.app.conf.unique_backend = Forgetful()
    return task.delay()


def test_a_message_that_was_replaced_ends_when_it_comes(guarded, gate):
    gate.open()
    work = guarded("until_executing", on_duplicate=replace(countdown=0.3))

    def two_calls():
        item = str(uuid4())
        return item, work.delay(item), work.delay(item)

    item, first, second = in_time(two_calls, 0.3)

    with pytest.raises(TaskRevokedError, match=f"replaced by {second.id}"):
        value_of(first)
    assert value_of(second) == item


def test_a_message_that_was_replaced_does_not_wait_for_a_run(guarded, gate):
    choice = {"publish": "replace", "run": SOON}
    work = guarded("until_and_while_executing", on_duplicate=choice)
    first = work.delay()
    gate.wait_for_arrival()
    second = work.apply_async(countdown=0.1)
    third = work.apply_async(countdown=0.1)

    with pytest.raises(TaskRevokedError, match=f"replaced by {third.id}"):
        value_of(second)
    wait_until(lambda: third.state == "RETRY")
    gate.open()
    assert [value_of(first), value_of(third)] == [1, 1]


def test_the_value_of_a_run_answers_what_is_published_later(guarded, gate, sent):
    gate.open()
    work = guarded("until_executed", on_duplicate=cached(60))
    first = work.delay(5)
    assert value_of(first) == 5
    wait_until(lambda: holder(work, 5) is None)

    second = work.delay(5)

    assert (second.duplicate, second.get()) == (True, 5)
    assert sent.ids == [first.id]


def test_a_body_sees_the_key_of_its_call(worker_app, guarded):
    guarded("until_executed")

    @worker_app.task(name="see")
    @unique(lock="until_executing")
    def see(item):
        return [current_lock().key, current_lock().owner]

    result = see.delay(1)

    assert value_of(result) == [key_of(see, 1), result.id]
