"""A call with ``link`` or ``link_error`` is somebody's canvas: it is sent."""

from typing import Any

import pytest
from celery.exceptions import TaskRevokedError

from tests.inprocess import value_of
from tests.published_calls import holder, task_of
from tests.waiting import wait_until
from unique_task import DuplicateTaskError, MemoryBackend, cached, retry, skip, unique

pytest_plugins = "tests.inprocess_fixtures"

AT_PUBLISH = [
    *("until_executing", "until_executed", "until_expired"),
    "until_and_while_executing",
]


def by_option(task: Any, note: Any) -> Any:
    return task.apply_async((1,), link=note.si("link"))


def by_error_option(task, note):
    return task.apply_async((1,), link_error=note.si("link_error"))


def by_signature(task, note):
    signature = task.si(1)
    signature.link(note.si("link"))
    return signature.apply_async()


def by_frozen_signature(task, note):
    signature = task.si(1)
    signature.on_error(note.si("link_error"))
    signature.freeze()
    return signature.apply_async()


LINKED = [by_option, by_error_option, by_signature, by_frozen_signature]


@pytest.fixture
def note(app):
    @app.task(name="note")
    def note(said): ...

    return note


@pytest.mark.parametrize("policy", ["ignore", "skip", "raise", "cached", "retry"])
@pytest.mark.parametrize("linked", LINKED)
def test_a_linked_duplicate_is_sent(app, note, sent, linked, policy):
    work = task_of(app, unique(lock="until_executed", on_duplicate=policy))
    first = work.delay(1)

    second = linked(work, note)

    assert not second.duplicate
    assert sent.ids == [first.id, second.id]
    assert "token" not in sent.last.lock
    assert holder(work, 1).owner == first.id


@pytest.mark.parametrize("lock", AT_PUBLISH)
def test_a_linked_duplicate_is_sent_whatever_its_lock_type(app, note, sent, lock):
    work = task_of(app, unique(lock=lock))
    work.delay(1)

    by_option(work, note)

    assert len(sent) == 2


def test_a_linked_call_that_is_no_duplicate_takes_the_lock(app, note, sent):
    work = task_of(app)

    by_option(work, note)

    assert sent.last.lock["token"].startswith(sent.last.id)
    assert holder(work, 1).owner == sent.last.id


def test_a_linked_call_takes_the_place_of_another_and_keeps_it(app, note, sent):
    work = task_of(app, unique(lock="until_executing", on_duplicate="replace"))
    work.delay(1)

    linked = by_option(work, note)

    assert holder(work, 1).owner == linked.id
    assert work.delay(1).duplicate
    assert "generation" not in sent.last.lock


def test_an_empty_link_is_none(app, sent):
    work = task_of(app)
    first = work.delay(1)

    assert work.apply_async((1,), link=[], link_error=[]).id == first.id
    assert len(sent) == 1


def test_the_caller_of_a_linked_call_hears_of_an_error(app, note):
    work = task_of(app)

    with pytest.raises(TypeError):
        work.apply_async((1, 2, 3, 4), link=note.si("link"), typing=False)


# With a worker


@pytest.fixture
def noted(worker_app):
    """What was noted; and the task that notes it."""
    noted = []

    @worker_app.task(name="noted")
    def note(said):
        noted.append(said)

    return noted


@pytest.fixture
def linked_duplicate(worker_app, noted, gate):
    """Call it for a duplicate with both callbacks, of a run that is at the gate."""
    worker_app.conf.unique_backend = MemoryBackend()
    note = worker_app.tasks["noted"]

    def linked_duplicate(policy, lock="until_executed"):
        @worker_app.task(name="work")
        @unique(lock=lock, on_duplicate=policy)
        def work():
            gate.hold()
            return "ran"

        first = work.delay()
        gate.wait_for_arrival()
        links = {"link": note.s(), "link_error": note.si("link_error")}
        return first, work.apply_async(**links)

    return linked_duplicate


@pytest.mark.parametrize("lock", ["until_executed", "until_expired"])
def test_the_callback_of_a_duplicate_that_is_skipped_runs(
    linked_duplicate, noted, lock
):
    _, second = linked_duplicate(skip("skipped"), lock)

    assert value_of(second) == "skipped"
    wait_until(lambda: noted == ["skipped"])


def test_the_callback_of_an_error_runs_for_a_duplicate_that_fails(
    linked_duplicate, noted
):
    _, second = linked_duplicate("raise")

    with pytest.raises(DuplicateTaskError):
        value_of(second)
    wait_until(lambda: noted == ["link_error"])


@pytest.mark.parametrize("policy", [cached(60), retry(countdown=0.05)], ids=str)
def test_the_callback_of_a_duplicate_that_waits_runs(
    linked_duplicate, noted, gate, policy
):
    first, second = linked_duplicate(policy)
    gate.open()

    assert value_of(first) == value_of(second) == "ran"
    wait_until(lambda: noted == ["ran"])


def test_a_duplicate_that_is_ignored_is_revoked_and_calls_nothing_back(
    linked_duplicate, noted, gate
):
    """As Celery does with what it revokes."""
    first, second = linked_duplicate("ignore")

    with pytest.raises(TaskRevokedError, match=f"duplicate of {first.id}"):
        value_of(second)
    assert noted == []
