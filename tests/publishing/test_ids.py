"""Ids that a caller chose or froze: who polls them does not wait for ever."""

from typing import Any
from uuid import uuid4

import pytest
from celery import chain, states
from celery.exceptions import TaskRevokedError
from celery.result import AsyncResult

from tests.inprocess import value_of
from tests.published_calls import is_duplicate, key_of, task_of
from unique_task import DuplicateTaskError, cached, skip, unique
from unique_task.backends.record import Record
from unique_task.messages.values import encode_value

pytest_plugins = "tests.inprocess_fixtures"

AT_PUBLISH = [
    *("until_executing", "until_executed", "until_expired"),
    "until_and_while_executing",
]


def polled(task: Any, task_id: str) -> Any:
    """Return what another process sees of the id: state and value or error."""
    meta = task.backend.get_task_meta(task_id, cache=False)
    return meta["status"], meta["result"]


def revoked_for(task: Any, task_id: str, owner: str) -> bool:
    state, error = polled(task, task_id)
    return bool(state == states.REVOKED and error.args == (f"duplicate of {owner}",))


def frozen(task: Any, *args: Any) -> Any:
    signature = task.si(*args)
    signature.freeze()
    return signature


def leave_value(task: Any, value: Any) -> None:
    """Leave a value as a run of the task would."""
    store, token = task.app.conf.unique_backend, "run/0/0//a"
    store.acquire(key_of(task), Record(token), 10)
    data = encode_value(task, value)
    store.release(key_of(task), token, value=data, fresh_for=60)


@pytest.fixture
def mine():
    """An id of the caller's; results of the memory are one for all apps."""
    return str(uuid4())


@pytest.fixture
def with_policy(app):
    """Make a task with this policy."""

    def with_policy(policy, lock="until_executed", **options):
        return task_of(app, unique(lock=lock, on_duplicate=policy), **options)

    return with_policy


# Frozen signatures


@pytest.mark.parametrize("again", [lambda s: s, lambda s: s.clone()], ids=["", "clone"])
@pytest.mark.parametrize("lock", AT_PUBLISH)
def test_a_frozen_signature_that_is_applied_twice_is_sent_once(
    with_policy, sent, lock, again
):
    work = with_policy("ignore", lock)
    signature = frozen(work)
    first = signature.apply_async()

    second = again(signature).apply_async()

    assert is_duplicate(second, of=first)
    assert sent.ids == [first.id]
    assert polled(work, first.id) == (states.PENDING, None)


@pytest.mark.parametrize("call", [lambda s: s.apply_async(), lambda s: chain(s)()])
@pytest.mark.parametrize("lock", AT_PUBLISH)
def test_the_second_of_two_equal_frozen_signatures_shares_the_result(
    with_policy, sent, lock, call
):
    work = with_policy("ignore", lock)
    first = frozen(work).apply_async()
    second = frozen(work)

    call(second)

    assert sent.ids == [first.id]
    assert revoked_for(work, second.id, first.id)
    assert is_duplicate(frozen(work).apply_async(), of=first)


def test_a_frozen_signature_raises_to_its_caller(with_policy, sent):
    work = with_policy("raise")
    first = frozen(work).apply_async()

    with pytest.raises(DuplicateTaskError):
        frozen(work).apply_async()
    assert sent.ids == [first.id]


# What whoever polls an id that was not sent sees


@pytest.mark.parametrize("lock", AT_PUBLISH)
@pytest.mark.parametrize("policy", ["ignore", "replace"])
def test_an_id_that_was_not_sent_is_revoked(mine, with_policy, lock, policy):
    # Not replaceable, because it is of the same task without the policy.
    work = with_policy("ignore", lock)
    first = work.delay()

    work.apply_async(task_id=mine, unique={"on_duplicate": policy})

    assert revoked_for(work, mine, first.id)
    with pytest.raises(TaskRevokedError):
        value_of(AsyncResult(mine, app=work.app))


def test_an_id_that_was_skipped_has_the_value_of_the_policy(mine, with_policy):
    work = with_policy(skip(7))
    first = work.delay()

    assert is_duplicate(work.apply_async(task_id=mine), of=first)
    assert polled(work, mine) == (states.SUCCESS, 7)


def test_an_id_for_which_the_policy_raised_has_failed(mine, with_policy):
    work = with_policy("raise")
    first = work.delay()

    with pytest.raises(DuplicateTaskError):
        work.apply_async(task_id=mine)
    state, error = polled(work, mine)
    assert (state, error.owner) == (states.FAILURE, first.id)


@pytest.mark.parametrize("own", [False, True], ids=["", "own id"])
def test_the_value_of_a_callable_is_found_by_the_id_that_was_returned(
    with_policy, mine, own
):
    work = with_policy(lambda duplicate: [1, 2])
    work.delay()

    second = work.apply_async(task_id=mine if own else None)

    assert second.id == (mine if own else second.id)
    assert polled(work, second.id) == (states.SUCCESS, [1, 2])


@pytest.mark.parametrize("own", [False, True], ids=["", "own id"])
def test_a_value_out_of_the_cache_is_found_by_the_id_that_was_returned(
    with_policy, sent, mine, own
):
    work = with_policy(cached(60))
    leave_value(work, {"a": 1})

    result = work.apply_async(task_id=mine if own else None)

    assert (result.duplicate, result.get()) == (True, {"a": 1})
    assert result.id == (mine if own else result.id)
    assert polled(work, result.id) == (states.SUCCESS, {"a": 1})
    assert value_of(AsyncResult(result.id, app=work.app)) == {"a": 1}
    assert not sent


def test_an_id_that_waits_for_a_value_is_sent_to_get_it(mine, with_policy, sent):
    work = with_policy("cached")
    first = work.delay()

    assert not work.apply_async(task_id=mine).duplicate
    assert is_duplicate(work.delay(), of=first)
    assert sent.ids == [first.id, mine]


@pytest.mark.parametrize("ignored", ["call", "task"])
def test_nothing_is_stored_where_results_are_ignored(mine, with_policy, ignored):
    options = {"ignore_result": True}
    work = with_policy(cached(60), **(options if ignored == "task" else {}))
    leave_value(work, 1)

    work.apply_async(task_id=mine, **(options if ignored == "call" else {}))

    assert polled(work, mine) == (states.PENDING, None)


def test_the_outcome_of_an_earlier_run_with_the_id_stays(mine, with_policy):
    work = with_policy("ignore")
    work.app.backend.store_result(mine, 42, states.SUCCESS)
    work.delay()

    work.apply_async(task_id=mine)

    assert polled(work, mine) == (states.SUCCESS, 42)


def test_without_a_result_backend_nothing_is_stored(mine, with_policy, app):
    app.conf.result_backend = None
    work = with_policy(cached(60))
    leave_value(work, 1)

    assert work.apply_async(task_id=mine).get() == 1


def test_a_result_backend_that_is_away_does_not_take_the_value(
    with_policy, monkeypatch, caplog
):
    def away(*args: Any, **kwargs: Any) -> None:
        raise OSError("away")

    work = with_policy(cached(60))
    leave_value(work, 1)
    monkeypatch.setattr(work.backend, "store_result", away)

    assert work.delay().get() == 1
    assert "could not be stored: away" in caplog.text


def test_a_holder_that_runs_in_place_is_found_by_its_id(app, gate):
    @app.task
    @unique(lock="until_executed")
    def work():
        gate.hold()

    with gate.holding(work):
        second = work.delay()

    assert revoked_for(work, second.id, second.id)
