"""Results that go to whoever published the task: ``rpc://``."""

import logging
from typing import Any

import pytest
from celery import states
from celery.exceptions import TaskRevokedError
from celery.result import AsyncResult
from celery.signals import worker_ready
from celery.worker import WorkController
from kombu.asynchronous import set_event_loop

from tests.inprocess import make_app, value_of
from tests.published_calls import key_of, task_of
from unique_task import ConfigurationError, cached, skip, unique
from unique_task.backends.record import Record
from unique_task.messages.values import encode_value

pytest_plugins = "tests.inprocess_fixtures"


@pytest.fixture
def app(own_shared_tasks):
    with make_app(result_backend="rpc://") as app:
        yield app


def guarded(app: Any, **options: Any) -> Any:
    return task_of(app, unique(**{"lock": "until_executed", **options}))


@pytest.mark.parametrize("policy", ["ignore", "skip", "cached", "replace"])
def test_a_duplicate_says_that_it_cannot_wait_for_the_result(app, policy):
    work = guarded(app)
    first = work.delay()

    second = work.apply_async(unique={"on_duplicate": policy})

    assert (second.duplicate, second.id, second.ready()) == (True, first.id, True)
    with pytest.raises(ConfigurationError, match=f"duplicate of {first.id}.*rpc://"):
        second.get()


def test_whoever_wants_no_result_is_told_nothing(app):
    work = guarded(app)
    work.delay()

    assert work.apply_async(ignore_result=True).get() is None


def test_an_id_that_was_frozen_gets_its_answer(app):
    work = guarded(app)
    first, signature = work.delay(), work.s()
    frozen = signature.freeze()

    signature.apply_async()

    with pytest.raises(TaskRevokedError, match=f"duplicate of {first.id}"):
        value_of(frozen)


def test_a_frozen_signature_that_is_applied_twice_waits_for_its_own_result(app):
    signature = guarded(app).s()
    signature.freeze()
    signature.apply_async()

    assert not signature.apply_async().ready()


def test_the_value_of_a_policy_is_sent_to_the_caller(app):
    work = guarded(app, on_duplicate=skip(7))
    work.delay()

    work.apply_async(task_id="mine")

    assert value_of(AsyncResult("mine", app=app)) == 7


def test_a_value_out_of_the_cache_has_come(app):
    work = guarded(app, on_duplicate=cached(60))
    store, token = app.conf.unique_backend, "run/0/0//a"
    store.acquire(key_of(work), Record(token), 10)
    store.release(key_of(work), token, value=encode_value(work, 42), fresh_for=60)

    result = work.delay()

    assert (result.state, result.get()) == (states.SUCCESS, 42)


# What a worker says at its start


@pytest.fixture
def warnings_of(caplog):
    def warnings_of(app):
        worker = WorkController(app=app, pool="threads", concurrency=1)
        worker_ready.send(sender=worker)
        records = [r for r in caplog.records if r.levelno == logging.WARNING]
        return [r.getMessage() for r in records if "rpc://" in r.getMessage()]

    yield warnings_of
    # A worker that is made and never stopped leaves its event loop to the next one.
    set_event_loop(None)


def test_a_worker_warns_of_results_that_cannot_be_shared(app, warnings_of):
    guarded(app)

    [warning] = warnings_of(app)

    assert warning.startswith("rpc:// cannot share a result: ")
    assert "work" in warning


@pytest.mark.parametrize(
    "options",
    [
        {"lock": "while_executing"},
        {"on_duplicate": "raise"},
        {"on_duplicate": "retry"},
    ],
    ids=str,
)
def test_a_worker_does_not_warn_where_none_is_shared(app, warnings_of, options):
    guarded(app, **options)

    assert warnings_of(app) == []


def test_a_worker_does_not_warn_of_another_result_backend(
    warnings_of, own_shared_tasks
):
    with make_app() as app:
        guarded(app)

        assert warnings_of(app) == []
