"""Messages in shadow mode: each is sent at once, whatever lock is held."""

from typing import Any

import pytest

from tests.inprocess import value_of
from tests.published_calls import holder, key_of, task_of
from tests.waiting import wait_until
from unique_task import MemoryBackend, cached, replace, retry, skip, unique
from unique_task.backends.shadow import ShadowBackend, shadow_of
from unique_task.options.lock_types import TAKEN_AT_PUBLISH

pytest_plugins = "tests.inprocess_fixtures"


def decides(duplicate):
    raise AssertionError("the policy was asked in shadow mode")


POLICIES: dict[str, Any] = {
    "ignore": "ignore",
    "skip": skip("skipped"),
    "retry": retry(),
    "raise": "raise",
    "callable": decides,
}


@pytest.mark.parametrize("kind", POLICIES)
def test_a_message_whose_key_is_held_is_sent_and_counted(app, sent, counted, kind):
    work = task_of(app, unique(lock="until_executed", on_duplicate=POLICIES[kind]))

    results = [work.delay(), work.delay()]

    assert [result.id for result in results] == sent.ids
    assert [message.headers["eta"] for message in sent] == [None, None]
    assert not any(result.duplicate for result in results)
    assert counted == [(kind, "publish")]


@pytest.mark.parametrize("lock", sorted(TAKEN_AT_PUBLISH))
def test_each_lock_that_is_taken_at_publish_counts_messages(app, sent, counted, lock):
    work = task_of(app, unique(lock=lock))

    for _ in range(3):
        work.delay()

    assert len(sent) == 3
    assert counted == [("ignore", "publish")] * 2


def test_messages_beyond_the_limit_are_counted(app, sent, counted):
    work = task_of(app, unique(lock="until_executed", limit=2))

    for _ in range(3):
        work.delay()

    assert len(sent) == 3
    assert counted == [("ignore", "publish")]


def test_a_message_is_not_put_off_for_one_that_may_replace_it(app, sent):
    work = task_of(
        app, unique(lock="until_executing", on_duplicate=replace(countdown=60))
    )

    work.delay()

    assert sent.last.headers["eta"] is None


def test_a_message_that_would_be_replaced_runs_and_is_counted_there(
    worker_app, counted
):
    @worker_app.task
    @unique(lock="until_executing", on_duplicate="replace")
    def work(note):
        return note

    work = worker_app.tasks[work.name]
    first = work.apply_async(("early",), countdown=0.2)
    assert value_of(work.apply_async(("early",), countdown=0.3)) == "early"

    assert value_of(first) == "early"
    assert counted == [("replace", "run")]


def test_a_fresh_value_would_answer_a_message(app, counted):
    work = task_of(app, unique(lock="until_executed", on_duplicate=cached()))
    work.apply()

    result = work.delay()

    assert result.duplicate is False
    assert counted == [("cached", "publish")]


def test_a_message_that_is_counted_at_publish_is_not_counted_at_run(
    worker_app, gate, counted
):
    @worker_app.task
    @unique(lock="until_executed")
    def work():
        gate.hold()
        return "ran"

    results = [work.delay(), work.delay()]
    gate.wait_for_arrival()
    gate.wait_for_arrival()
    gate.open()

    assert [value_of(result) for result in results] == ["ran", "ran"]
    assert counted == [("ignore", "publish")]


def test_the_lock_of_a_message_is_free_when_it_has_run(worker_app, counted):
    @worker_app.task
    @unique(lock="until_executed")
    def work():
        return "ran"

    assert [value_of(work.delay()) for _ in range(2)] == ["ran", "ran"]
    assert counted == []


def test_a_result_of_a_call_in_its_own_body_may_be_waited_for(worker_app, gate):
    """An enforced call would wait for the body that waits for it."""

    @worker_app.task
    @unique(key=(), on_duplicate="retry")
    def work(depth=1):
        if depth:
            return work.delay(depth - 1).get(disable_sync_subtasks=False, timeout=30)
        return "innermost"

    assert value_of(work.delay()) == "innermost"


def test_a_message_of_shadow_mode_is_a_call_like_any_other_where_locks_are_enforced(
    worker_app, gate
):
    @worker_app.task
    @unique(lock="until_executed")
    def work():
        gate.hold()
        return "ran"

    result = work.apply_async(countdown=0.2)
    worker_app.conf.unique_enabled = True
    gate.wait_for_arrival()

    assert holder(work).owner == result.id
    gate.open()
    assert value_of(result) == "ran"
    # What it had reserved in shadow is released as well.
    locks = shadow_of(worker_app.conf.unique_backend)
    wait_until(lambda: locks.get(key_of(work)) is None)


@pytest.mark.parametrize("lock", ["until_executing", "until_executed"])
def test_what_an_enforcing_process_has_reserved_is_released(worker_app, gate, lock):
    @worker_app.task
    @unique(lock=lock)
    def work():
        gate.hold()

    store: MemoryBackend = worker_app.conf.unique_backend
    worker_app.conf.unique_enabled = True
    result = work.apply_async(countdown=0.2)
    assert work.delay().duplicate
    worker_app.conf.unique_enabled = "shadow"
    gate.wait_for_arrival()
    if lock == "until_executing":
        wait_until(lambda: store.get(key_of(work)) is None)
    gate.open()
    value_of(result)

    wait_until(lambda: store.get(key_of(work)) is None)


def test_a_message_that_is_not_sent_leaves_no_lock(app, monkeypatch, counted):
    work = task_of(app, unique(lock="until_executed"))

    with pytest.raises(TypeError):
        work.apply_async(args=(1,), kwargs={"item": 1})
    with pytest.raises(Exception, match="serializ|encod|nknown"):
        work.apply_async(serializer="no such one")

    assert shadow_of(app.conf.unique_backend).get(key_of(work)) is None


def test_what_is_reserved_in_shadow_travels_where_older_versions_do_not_look(app, sent):
    """A wire format: processes of two versions share a broker."""
    work = task_of(app, unique(lock="until_executing", on_duplicate=replace()))

    work.apply_async(task_id="mine")
    lock, reserved = dict(sent.last.lock), dict(sent.last.lock["shadow"])

    assert lock.keys() == {"id", "message", "namespace", "key", "shadow"}
    assert reserved.keys() == {"token", "generation", "until", "store", "lock"}
    assert reserved["token"].startswith("mine/0/0/")
    assert reserved["lock"] == "until_executing"
    locks = shadow_of(app.conf.unique_backend)
    assert reserved["store"] == locks.fingerprint != locks.store.fingerprint


def test_a_duplicate_in_shadow_travels_as_one(app, sent):
    """A wire format, as above."""
    work = task_of(app)

    work.delay()
    work.delay()

    assert sent.last.lock["shadow"] == {"duplicate": True}


def test_the_names_of_locks_are_shared_by_all_versions():
    assert ShadowBackend(MemoryBackend())._prefix == "unique-shadow:"
