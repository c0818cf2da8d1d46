"""Publishers and workers that see different stores, and one store under two names."""

from typing import Any

import pytest
from celery.exceptions import TaskRevokedError

from tests.inprocess import value_of
from unique_task import ConfigurationError, MemoryBackend, RedisBackend, replace, unique
from unique_task.messages.stamp import LOCK_HEADER, MESSAGE_HEADER, stamping

pytest_plugins = "tests.inprocess_fixtures"

LOCKS = ["until_executing", "until_executed", "until_expired"]


@pytest.fixture
def ran():
    return []


@pytest.fixture(params=[*LOCKS, "until_and_while_executing"])
def work(request, worker_app, ran):
    """A task of which only the last of a burst of calls runs."""

    @worker_app.task(name="debounced")
    @unique(key=(), lock=request.param, on_duplicate=replace())
    def work(number):
        ran.append(number)
        return number

    return work


@pytest.fixture(params=["memory", "redis", "another prefix"])
def new_store(request, worker_app):
    """Switch the app to a store without locks."""
    url = "" if request.param == "memory" else request.getfixturevalue("redis_url")
    number = iter(range(9))

    def new_store():
        memory = request.param == "memory"
        store: Any = (
            MemoryBackend()
            if memory
            else RedisBackend(f"{url.removesuffix('0')}{next(number)}")
        )
        if request.param == "another prefix":
            store = RedisBackend(url)
            worker_app.conf.unique_key_prefix = f"{next(number)}:"
        worker_app.conf.unique_backend = store
        return store

    return new_store


def published(work: Any, sent: Any, count: int = 4) -> list[Any]:
    """Publish calls to a queue without a worker; return their messages."""
    for number in range(count):
        work.apply_async((number,), queue=f"nobody-{work.app.main}")
    return list(sent[-count:])


def delivered(work: Any, message: Any, **otherwise: Any) -> Any:
    """Let a message arrive, with these changes to its header."""
    lock = {**message.lock, **otherwise}
    headers = {MESSAGE_HEADER: lock["message"], LOCK_HEADER: lock}
    with stamping(message.id, headers):
        return work.apply_async(message.body[0], task_id=message.id)


def test_no_call_of_a_burst_runs_whose_locks_are_in_another_store(
    work, new_store, sent, ran
):
    new_store()
    messages = published(work, sent)
    new_store()

    for message in messages:
        with pytest.raises(ConfigurationError, match="in another store than"):
            value_of(delivered(work, message))
    assert ran == []


@pytest.mark.parametrize("order", [1, -1], ids=["in order", "the last one first"])
def test_one_store_under_two_names_is_one(work, new_store, sent, ran, order):
    new_store()
    messages = published(work, sent)
    results = [
        delivered(work, message, store="its other name")
        for message in messages[::order]
    ]

    *replaced, last = results[::order]
    assert value_of(last) == 3
    for result in replaced:
        with pytest.raises(TaskRevokedError, match="replaced by"):
            value_of(result)
    assert ran == [3]
