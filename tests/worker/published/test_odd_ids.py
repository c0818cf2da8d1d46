"""Ids of a caller's own that are no strings, or odd ones.

Celery's store of results in Redis takes no numbers; see tests/publishing.
"""

import random
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import celery
import pytest
from celery import chain

from tests.waiting import wait_until
from tests.worker.conftest import redis_only
from tests.worker.published.locks import held
from tests.worker.tasks_published import AT_PUBLISH, GUARDED_BY, LEAVING

pytestmark = [
    pytest.mark.worker,
    pytest.mark.usefixtures("worker"),
    redis_only,
]

#: Makes an id by its kind.
IDS: dict[str, Callable[[], Any]] = {
    "uuid": uuid4,
    "text": lambda: f"Bestellung № {random.getrandbits(40)}/é",
}

PENDING = {"until_and_while_executing": ".pending"}


#: Older ones have no key for the result of another id than a text.
needs_any_id = pytest.mark.skipif(celery.VERSION < (5, 7), reason="no such results")


@pytest.fixture(params=[pytest.param("uuid", marks=needs_any_id), "text"])
def task_id(request):
    return IDS[request.param]()


@pytest.mark.parametrize("lock", AT_PUBLISH)
def test_a_lock_goes_with_the_message_and_is_freed(
    shelf, witness, run, lock, key, task_id
):
    task = GUARDED_BY[lock, "ignore"]
    first = shelf.put(task, key, 1, task_id=task_id)
    assert first.id == task_id
    assert shelf.put(task, key, 2).duplicate
    witness.open(key)

    shelf.deliver()

    run()
    if lock == "until_expired":
        assert held(task, key).record.owner == str(task_id)
    else:
        wait_until(lambda: not held(task, key))
        assert not shelf.put(task, key, 3).duplicate


WAYS: dict[str, Callable[..., Any]] = {
    "by name": lambda task, key, id: task.app.send_task(task.name, (key,), task_id=id),
    "signature": lambda task, key, id: task.si(key).set(task_id=id).delay(),
    "chain": lambda task, key, id: in_chain(task.si(key).set(task_id=id), key),
}


def in_chain(signature: Any, key: str) -> None:
    after: Any = GUARDED_BY["while_executing", "ignore"].si(f"after {key}")
    run: Any = chain(signature, after)
    run.delay()


@pytest.mark.parametrize("way", WAYS)
def test_it_is_so_however_the_call_is_sent(witness, run, key, way, task_id):
    task = GUARDED_BY["until_executed", "ignore"]
    witness.open(f"after {key}")

    WAYS[way](task, key, task_id)

    run()
    assert held(task, key).record.owner == str(task_id)
    assert held(task, key).record.state == "running"
    assert task.delay(key).duplicate
    witness.open(key)
    wait_until(lambda: not held(task, key))


@pytest.mark.parametrize("how", ["retry", "autoretry"])
def test_a_retry_keeps_the_lock(shelf, retries, witness, run, key, task_id, how):
    task = LEAVING["until_executed", False]
    witness.open(f"{key} 0")
    shelf.put(task, key, how, task_id=task_id)
    shelf.deliver()
    run()
    wait_until(lambda: held(task, key).record.state == "pending")
    assert held(task, key).record.owner == str(task_id)

    retries.deliver()

    run(2)
    witness.open(f"{key} 1")
    wait_until(lambda: not held(task, key))


def test_a_call_that_waits_runs_when_its_turn_comes(witness, run, key, task_id):
    task = GUARDED_BY["while_executing", "retry"]
    task.delay(key)
    run()
    task.apply_async((key,), task_id=task_id)

    witness.open(key)

    run(2)
    wait_until(lambda: not held(task, key))
