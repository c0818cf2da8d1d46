"""What becomes of a publish that does not hear whether it got the lock."""

from typing import Any

import pytest
from celery import group
from celery.signals import before_task_publish

from tests.inprocess import value_of
from tests.published_calls import holder, refuse, task_of
from tests.waiting import wait_until
from unique_task import LockStoreError, MemoryBackend, unique
from unique_task.leases import background
from unique_task.messages.stamp import LOCK_HEADER

pytest_plugins = "tests.inprocess_fixtures"


class Deaf(MemoryBackend):
    """Reserves locks, but nobody hears of it; then it is away for some calls."""

    error: BaseException | None = LockStoreError("no answer")
    away = 2
    asked = 0

    def _reserve(self, wanted):
        self.asked += 1
        answer = super()._reserve(wanted)
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return answer

    def _release(self, *args):
        if self.away:
            self.away -= 1
            raise LockStoreError("still away")
        return super()._release(*args)


@pytest.fixture
def store(worker_app, monkeypatch) -> Deaf:
    monkeypatch.setattr(background, "_PAUSE", 0.02)
    store = Deaf()
    worker_app.conf.unique_backend = store
    return store


@pytest.fixture
def work(worker_app, store) -> Any:
    return task_of(worker_app)


@pytest.mark.parametrize(
    "error",
    [LockStoreError("no answer"), KeyboardInterrupt()],
    ids=["no answer", "broken off"],
)
def test_a_lock_whose_message_was_not_sent_is_given_back_when_the_store_answers(
    work, store, error
):
    store.error = error

    with pytest.raises(type(error)):
        work.delay()

    wait_until(lambda: holder(work) is None)
    assert not work.delay().duplicate


def test_what_is_broken_off_is_not_sent_all_the_same(work, store, sent, monkeypatch):
    monkeypatch.setitem(work.app.conf, "unique_on_unavailable", "run")
    store.error = KeyboardInterrupt()

    with pytest.raises(KeyboardInterrupt):
        work.delay()

    assert not sent
    wait_until(lambda: holder(work) is None)


def test_a_lock_that_nobody_heard_of_is_given_back_if_the_broker_refuses_the_message(
    work, store, monkeypatch
):
    monkeypatch.setitem(work.app.conf, "unique_on_unavailable", "run")
    monkeypatch.setattr(work.app.amqp, "send_task_message", refuse(OSError))

    with pytest.raises(OSError):
        work.delay()

    wait_until(lambda: holder(work) is None)


@pytest.mark.parametrize("how", ["bound", "run"])
def test_what_is_sent_all_the_same_knows_its_lock_when_it_arrives(work, store, how):
    bound = {"reply_to": "canvas"} if how == "bound" else {}
    work.app.conf.unique_on_unavailable = "retry" if how == "bound" else "run"
    store.away = 0

    result = work.apply_async(**bound)

    assert value_of(result) is None
    wait_until(lambda: holder(work) is None)


def test_a_group_does_not_wait_for_the_store_once_for_each_member(app, sent):
    asked = []

    class Away(MemoryBackend):
        def _reserve(self, wanted: Any) -> Any:
            asked.append(wanted.key)
            raise LockStoreError("no answer")

    app.conf.unique_backend = Away()
    work = task_of(app)

    group(work.s(number) for number in range(5)).apply_async()

    assert len(asked) == 1
    assert len(sent) == 5


def test_a_message_of_another_lock_type_ends_with_its_own(worker_app, store):
    """It was published before a deploy that changed the type."""
    store.error = None
    store.away = 0

    def work() -> str:
        return "ran"

    task = worker_app.task(name="deployed")(unique(lock="until_executed")(work))

    @before_task_publish.connect
    def forget(headers: Any, **_: Any) -> None:
        headers[LOCK_HEADER].pop("unique")

    before = {"lock": "until_and_while_executing"}
    result = task.apply_async(unique=before, countdown=0.05)
    before_task_publish.disconnect(forget)

    assert value_of(result) == "ran"
    wait_until(lambda: not [kind for kind, _ in store._cells if kind == "lock"])


def test_guards_that_are_switched_off_leave_no_lock_behind(
    work, store, sent, monkeypatch
):
    store.error = None
    store.away = 0
    result = work.apply_async(countdown=0.2)
    assert sent.last.lock["token"]

    monkeypatch.setitem(work.app.conf, "unique_enabled", False)

    assert value_of(result) is None
    wait_until(lambda: holder(work) is None)


def test_a_message_without_headers_has_its_lock_taken_by_the_worker(work, store, sent):
    store.error = None
    work.app.conf.task_protocol = 1
    try:
        assert not work.delay().duplicate
        assert not store.asked
    finally:
        work.app.conf.task_protocol = 2
