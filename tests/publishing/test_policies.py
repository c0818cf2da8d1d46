"""What becomes of a duplicate that is published."""

import logging
from datetime import timedelta
from typing import Any

import pytest
from celery import states
from celery.exceptions import TaskRevokedError
from celery.result import AsyncResult

from tests.inprocess import value_of
from tests.published_calls import (
    CutOff,
    holder,
    is_duplicate,
    key_of,
    remaining,
    task_of,
    wait_of,
)
from unique_task import (
    Duplicate,
    DuplicateTaskError,
    cached,
    retry,
    signals,
    skip,
    unique,
)
from unique_task.options.duplicate import duplicates

pytest_plugins = "tests.inprocess_fixtures"


@pytest.fixture
def with_policy(app):
    """Make a task with this policy."""

    def with_policy(policy, **options):
        options = {"lock": "until_executed", "on_duplicate": policy, **options}
        return task_of(app, unique(**options))

    return with_policy


@pytest.mark.parametrize(
    "policy",
    ["ignore", "skip", skip(1), "cached", {"publish": "ignore", "run": "raise"}],
    ids=str,
)
def test_nothing_is_sent_and_the_call_returns_the_holders_result(
    with_policy, sent, policy
):
    work = with_policy(policy)
    first = work.delay()

    second = work.delay()

    assert is_duplicate(second, of=first)
    assert sent.ids == [first.id]
    work.app.backend.store_result(first.id, 42, states.SUCCESS)
    assert value_of(second) == 42


def test_the_holders_failure_is_the_duplicates(with_policy):
    work = with_policy("ignore")
    first, second = work.delay(), work.delay()
    work.app.backend.store_result(first.id, KeyError("a"), states.FAILURE)

    with pytest.raises(KeyError):
        value_of(second)


@pytest.mark.parametrize("call", ["directly", "eagerly"])
def test_the_result_of_a_holder_that_runs_in_place_has_come_already(app, gate, call):
    @app.task
    @unique(lock="until_executed")
    def work():
        gate.hold()

    run = work if call == "directly" else work.apply
    with gate.holding(run):
        record = holder(work)
        second = work.delay()
    assert record is not None
    assert (second.duplicate, second.id) == (True, record.owner)
    assert second.state == states.REVOKED
    with pytest.raises(TaskRevokedError, match=f"duplicate of {record.owner}"):
        second.get()
    assert second.get(propagate=False).args == (f"duplicate of {record.owner}",)


def test_raise_tells_the_caller(with_policy, sent):
    work = with_policy("raise")
    first = work.delay(7)

    with pytest.raises(DuplicateTaskError) as caught:
        work.delay(7)

    error: Any = caught.value
    assert (error.owner, error.key) == (first.id, key_of(work, 7))
    assert 3590 < error.remaining <= 3600
    assert sent.ids == [first.id]


# Policies that wait


def test_retry_sends_the_duplicate_to_come_later(with_policy, sent):
    work = with_policy(retry(countdown=20, jitter=False))
    first = work.delay()

    second = work.delay()

    assert not second.duplicate
    assert sent.ids == [first.id, second.id]
    assert 10 < wait_of(sent.last, work.app) <= 20
    assert "token" not in sent.last.lock
    assert sent.last.lock["key"] == key_of(work)


@pytest.mark.parametrize("later", ["countdown", "eta"])
def test_retry_leaves_a_longer_wait_of_the_caller_as_it_is(with_policy, sent, later):
    work = with_policy(retry(countdown=20, jitter=False))
    work.delay()
    when = 60 if later == "countdown" else work.app.now() + timedelta(seconds=60)

    work.apply_async(**{later: when})

    assert 50 < wait_of(sent.last, work.app) <= 60


@pytest.mark.parametrize("sooner", ["countdown", "eta"])
def test_retry_makes_a_shorter_wait_of_the_caller_longer(with_policy, sent, sooner):
    work = with_policy(retry(countdown=20, jitter=False))
    work.delay()
    when = 5 if sooner == "countdown" else work.app.now() + timedelta(seconds=5)

    work.apply_async(**{sooner: when})

    assert 10 < wait_of(sent.last, work.app) <= 20


# Policies that call back


def test_a_callable_gets_the_duplicate(with_policy):
    met: list[Duplicate] = []
    work = with_policy(met.append)
    first = work.delay(3, note="b")

    work.delay(3, note="b")

    [duplicate] = met
    assert duplicate.at == "publish"
    assert duplicate.task.name == work.name
    assert (duplicate.args, duplicate.kwargs) == ((3,), {"note": "b"})
    assert (duplicate.owner, duplicate.key) == (first.id, key_of(work, 3, note="b"))
    assert duplicate.remaining == pytest.approx(remaining(work, 3, note="b"), abs=5)
    assert (duplicate.request, duplicate.queued, duplicate.admitted) == (
        None,
        False,
        False,
    )


@pytest.mark.parametrize("value", [None, 42, "text", [1]])
def test_the_value_of_a_callable_is_a_result_that_has_come(with_policy, sent, value):
    work = with_policy(lambda duplicate: value)
    first = work.delay()

    second = work.delay()

    assert second.duplicate
    assert second.id != first.id
    assert (second.state, second.get()) == (states.SUCCESS, value)
    assert len(sent) == 1


def test_a_result_that_a_callable_returns_is_returned(with_policy):
    own: Any = AsyncResult("its own")
    work = with_policy(lambda duplicate: own)
    work.delay()

    assert work.delay() is own
    assert own.duplicate


@pytest.mark.parametrize("error", [ZeroDivisionError, CutOff])
def test_what_a_callable_raises_goes_to_the_caller(with_policy, sent, error):
    def policy(duplicate):
        raise error

    work = with_policy(policy)
    first = work.delay()

    with pytest.raises(error):
        work.delay()
    assert sent.ids == [first.id]
    assert holder(work).owner == first.id


# How it is told


def test_a_duplicate_is_told_once_by_log_counter_and_signal(with_policy, caplog):
    told = []
    work = with_policy("ignore")
    first = work.delay()
    before = duplicates["work"]

    def hear(sender, **said):
        told.append((sender.name, said["key"], said["owner"], said["task_id"]))

    signals.task_duplicate.connect(hear)
    try:
        work.apply_async(task_id="second")
    finally:
        signals.task_duplicate.disconnect(hear)

    assert told == [("work", key_of(work), first.id, "second")]
    assert duplicates["work"] == before + 1
    said = [r.getMessage() for r in caplog.records if r.levelno == logging.INFO]
    assert said == [f"work[second] is a duplicate of {first.id}"]


@pytest.mark.parametrize("policy", ["retry", cached()], ids=["retry", "cached"])
def test_what_is_told_of_is_a_duplicate_that_is_dropped(with_policy, caplog, policy):
    work = with_policy(policy)
    work.delay()
    before = duplicates["work"]

    dropped = work.delay().duplicate

    assert duplicates["work"] - before == dropped
    assert bool(caplog.records) == dropped
