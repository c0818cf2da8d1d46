"""What a call says holds in the worker too, and over its retries."""

from typing import Any

import pytest
from celery.exceptions import TaskRevokedError

from tests.inprocess import value_of
from tests.published_calls import holder, is_duplicate, record_at, remaining
from tests.waiting import wait_until
from unique_task import MemoryBackend, current_lock, unique
from unique_task.options.guarded_class import GUARDED
from unique_task.options.lock_types import LOCK_TYPES

pytest_plugins = "tests.inprocess_fixtures"


@pytest.mark.parametrize("lock", [kind for kind in LOCK_TYPES])
def test_a_call_of_its_own_key_holds_that_where_it_runs(guarded, gate, lock):
    work = guarded(lock)
    result = work.apply_async((1,), unique_key="mine")
    gate.wait_for_arrival()
    key = getattr(work, GUARDED).spec.digest_of(work, "mine")

    kind = LOCK_TYPES[lock]
    assert record_at(work.app, kind.run_name(key, result.id)).owner == result.id
    assert holder(work, 1) is None
    gate.open()
    assert value_of(result) == 1


def test_a_call_that_says_false_runs_without_a_lock(guarded, gate):
    work = guarded("until_executed")
    first = work.delay()
    gate.wait_for_arrival()

    second = work.apply_async(unique=False)
    gate.wait_for_arrival()

    gate.open()
    assert [value_of(first), value_of(second)] == [1, 1]


@pytest.mark.parametrize("name", [None, "elsewhere"], ids=["known", "by name"])
def test_the_policy_of_a_call_holds_where_it_runs(worker_app, guarded, gate, name):
    work = guarded("while_executing", namespace="orders")
    first = work.delay()
    gate.wait_for_arrival()
    said = {"unique": {"on_duplicate": {"run": "raise"}}}

    result = work.apply_async(**said) if name is None else by_stranger(work, **said)

    with pytest.raises(Exception, match=f"duplicate of task {first.id}"):
        value_of(result)
    gate.open()
    assert value_of(first) == 1


def by_stranger(task: Any, **said: Any) -> Any:
    """Publish as an app does that does not know the task."""
    known = task.app._tasks
    task.app._tasks = type(known)()
    try:
        return task.app.send_task(task.name, **said)
    finally:
        task.app._tasks = known


def test_a_task_that_this_process_does_not_know_is_guarded_where_it_runs(guarded, gate):
    work = guarded("until_executed")
    first = by_stranger(work)
    gate.wait_for_arrival()

    assert holder(work).owner == first.id
    assert is_duplicate_at_run(by_stranger(work))
    gate.open()
    assert value_of(first) == 1


def is_duplicate_at_run(result: Any) -> bool:
    try:
        value_of(result)
    except TaskRevokedError:
        return True
    return False


# A task that retries itself


@pytest.fixture
def tries(worker_app):
    """Make a task that is tried twice; what its tries see of the lock is noted."""
    worker_app.conf.unique_backend = MemoryBackend()

    def tries(lock="until_executed", countdown=0.1, **options):
        seen = []

        @worker_app.task(name=f"try-{lock}", bind=True, max_retries=1)
        @unique(lock=lock, **options)
        def tried(self, item=1):
            seen.append(current_lock())
            if self.request.retries == 0:
                raise self.retry(countdown=countdown, args=(abs(item),))
            return item

        return tried, seen

    return tries


def test_the_next_try_inherits_the_lock(tries, sent):
    task, _ = tries(countdown=50)
    result = task.delay()
    wait_until(lambda: result.state == "RETRY" and holder(task).state == "pending")

    assert holder(task).token.startswith(f"{result.id}/1/0/")
    assert holder(task).token == sent.last.lock["token"]
    assert is_duplicate(task.delay(), of=result)


def test_the_next_try_frees_what_it_inherits(tries, sent):
    task, seen = tries()
    result = task.delay()

    assert value_of(result) == 1
    assert sent.last.lock["token"].startswith(f"{result.id}/1/0/")
    wait_until(lambda: holder(task) is None)
    assert len(seen) == 2 and seen[0].fence < seen[1].fence


def test_the_lock_stands_from_the_next_try_on(tries):
    task, _ = tries(countdown=50, expire=100)
    result = task.delay()
    wait_until(lambda: result.state == "RETRY" and holder(task).state == "pending")

    assert 140 < remaining(task) <= 150


@pytest.mark.parametrize("lock", ["until_executing", "until_expired"])
def test_a_try_takes_no_new_lock_where_it_ended_at_the_start(tries, sent, lock):
    task, seen = tries(lock)
    result = task.delay()

    assert value_of(result) == 1
    assert [message.lock.get("token") is None for message in sent] == [False, True]
    assert len(seen) == 2


def test_a_try_with_other_arguments_inherits_nothing(tries, sent):
    task, _ = tries()
    result = task.delay(-1)

    assert value_of(result) == 1
    assert len(sent) == 2 and "token" not in sent.last.lock
    wait_until(lambda: holder(task, -1) is None)


def test_the_key_and_the_options_of_a_call_are_those_of_its_tries(tries, sent):
    task, seen = tries("while_executing")
    result = task.apply_async(unique_key="mine", unique={"lock": "until_executed"})

    assert value_of(result) == 1
    key = getattr(task, GUARDED).spec.digest_of(task, "mine")
    assert {lease.key for lease in seen} == {key}
    assert [message.lock["unique"] for message in sent] == 2 * [
        {"lock": "until_executed"}
    ]
    assert sent.last.lock["own_key"] and sent.last.lock["token"]


def test_a_try_that_cannot_be_sent_inherits_nothing(tries, worker_app, monkeypatch):
    task, seen = tries()
    send = worker_app.amqp.send_task_message

    def first_only(producer: Any, name: str, message: Any, **options: Any) -> Any:
        if message.headers["retries"]:
            raise OSError("no broker")
        return send(producer, name, message, **options)

    monkeypatch.setattr(worker_app.amqp, "send_task_message", first_only)
    task.delay()

    wait_until(lambda: seen and holder(task) is None)


def test_only_the_task_itself_inherits_its_lock(worker_app, sent):
    worker_app.conf.unique_backend = MemoryBackend()

    @worker_app.task(name="other", bind=True)
    @unique(lock="until_executed", key=())
    def other(self, again):
        if again:
            self.apply_async((False,), retries=1, task_id="not me")

    other.delay(True)

    wait_until(lambda: len(sent) == 2 and holder(other, True) is None)
    assert "token" not in sent.last.lock


def test_what_a_task_replaces_itself_by_is_sent(worker_app, guarded, gate):
    gate.open()
    work = guarded("until_executed")

    @worker_app.task(name="replacing", bind=True)
    @unique(lock="until_executed")
    def replacing(self):
        raise self.replace(work.s(7))

    result = replacing.delay()

    assert value_of(result) == 7
    wait_until(lambda: holder(replacing) is holder(work, 7) is None)


def test_what_a_task_replaces_itself_by_inherits_the_lock_if_it_is_equal(
    worker_app, sent
):
    worker_app.conf.unique_backend = MemoryBackend()

    @worker_app.task(name="again", bind=True)
    @unique(lock="until_executed", key=())
    def again(self, more):
        if more:
            raise self.replace(self.si(False))
        return current_lock().owner

    result = again.delay(True)

    assert value_of(result) == result.id
    assert sent.last.lock["token"].startswith(f"{result.id}/0/1/")
    wait_until(lambda: holder(again, True) is None)
