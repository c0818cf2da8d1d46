"""replace: the latest of the calls that wait in the queue takes their place."""

import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from celery import chain, chord, group
from celery.exceptions import TaskRevokedError

from tests.waiting import in_time, wait_until
from tests.worker.conftest import redis_only
from tests.worker.published.locks import pending
from tests.worker.tasks import collect
from tests.worker.tasks_published import (
    AT_PUBLISH,
    DEBOUNCE,
    DEBOUNCED,
    IMPATIENT,
    LATEST,
    LEAVING,
    LONG,
    MAX_WAIT,
    REPLACING,
)

pytestmark = [pytest.mark.worker, pytest.mark.usefixtures("worker")]

TIMEOUT = 20

each_lock = pytest.mark.parametrize("lock", AT_PUBLISH)

#: Commands of Redis that look through a list, or through all keys.
SCANS = {"keys", "lindex", "linsert", "lpos", "lrange", "lrem", "scan", "sort"}


def all_but_last_are_revoked(results: list[Any]) -> Any:
    """Return the last one."""
    *others, last = results
    for other in others:
        with pytest.raises(TaskRevokedError, match="replaced by"):
            other.get(timeout=TIMEOUT)
        assert other.state == "REVOKED"
    return last


@each_lock
def test_only_the_last_of_many_runs_with_its_arguments(shelf, witness, key, lock):
    witness.open(key)
    results = [shelf.put(REPLACING[lock], key, number) for number in range(5)]
    assert not any(result.duplicate for result in results)

    shelf.deliver(5)

    assert all_but_last_are_revoked(results).get(timeout=TIMEOUT) == 4
    assert witness.runs(key) == 1


@each_lock
def test_who_is_replaced_ends_when_it_arrives_though_the_last_still_waits(
    shelf, witness, key, lock
):
    results = [shelf.put(REPLACING[lock], key, number) for number in range(3)]

    shelf.deliver(2)

    last = all_but_last_are_revoked(results)
    assert pending(REPLACING[lock], key).record.owner == last.id
    witness.open(key)
    shelf.deliver()
    assert last.get(timeout=TIMEOUT) == 2


@each_lock
def test_who_was_replaced_does_not_run_after_the_last_has_ended(
    shelf, retries, witness, key, lock
):
    witness.open(key)
    old = shelf.put(REPLACING[lock], key, 1)
    new = REPLACING[lock].delay(key, 2)
    assert new.get(timeout=TIMEOUT) == 2

    shelf.deliver()

    all_but_last_are_revoked([old, new])
    assert witness.runs(key) == 1


@pytest.mark.parametrize("lock", ["until_executed", "until_expired"])
def test_what_runs_is_not_replaced(shelf, witness, run, key, lock):
    running = shelf.put(REPLACING[lock], key, 1)
    shelf.deliver()
    run()

    result = shelf.put(REPLACING[lock], key, 2)

    assert (result.id, result.duplicate) == (running.id, True)
    witness.open(key)
    assert running.get(timeout=TIMEOUT) == 1


def test_what_is_between_two_tries_is_not_replaced(shelf, retries, witness, run, key):
    task, said = LEAVING["until_executed", False], {
        "unique": {"on_duplicate": "replace"}
    }
    for gate in (f"{key} 0", f"{key} 1"):
        witness.open(gate)
    first = shelf.put(task, key, "retry", **said)
    shelf.deliver()
    wait_until(lambda: witness.states(first.id) == ["RETRY"])

    result = shelf.put(task, key, **said)

    assert (result.id, result.duplicate) == (first.id, True)
    retries.deliver()
    assert first.get(timeout=TIMEOUT) == "try 1"


def test_what_waits_for_a_run_to_end_is_replaced(witness, run, key):
    running = LATEST.delay(key, 0)
    run()
    waiting = []
    for number in (1, 2, 3):
        waiting.append(LATEST.delay(key, number))
        wait_until(lambda: witness.waits(waiting[-1].id) >= 2)

    last = all_but_last_are_revoked(waiting)

    witness.open(key)
    assert (running.get(timeout=TIMEOUT), last.get(timeout=TIMEOUT)) == (0, 3)
    assert witness.runs(key) == 2


#: Each canvas, given one member.
CANVASES: dict[str, Callable[[Any], Any]] = {
    "group": lambda member: group(member),
    "chain": lambda member: chain(member, collect.s()),
    "chord": lambda member: chord([member], collect.s()),
}


@each_lock
@pytest.mark.parametrize("canvas", CANVASES)
def test_what_belongs_to_a_canvas_is_not_replaced(shelf, witness, key, lock, canvas):
    task = REPLACING[lock]
    witness.open(key)
    member = task.si(key, 1).set(queue=shelf.name)
    result = CANVASES[canvas](member).apply_async()
    wait_until(lambda: pending(task, key))

    assert shelf.put(task, key, 2).duplicate

    shelf.deliver()
    value = 1 if canvas == "chain" else [1]
    assert result.get(timeout=TIMEOUT) == value


@pytest.fixture
def burst(witness):
    """Call it for equal calls, and their key, of which none starts before the last."""

    def publish(task, count, within):
        def calls():
            key = uuid4().hex
            witness.open(key)
            return key, [task.delay(key, number) for number in range(count)]

        return in_time(calls, within)

    return publish


def test_of_a_burst_of_calls_the_last_runs(burst, witness):
    key, results = burst(DEBOUNCED, 10, within=DEBOUNCE)

    assert all_but_last_are_revoked(results).get(timeout=TIMEOUT) == 9
    assert witness.runs(key) == 1


def test_calls_that_replace_each_other_wait_no_longer_than_max_wait(burst):
    _, results = burst(IMPATIENT, 5, within=MAX_WAIT)

    # Without it, each would wait for its countdown of ten minutes.
    assert all_but_last_are_revoked(results).get(timeout=TIMEOUT) == 4


def test_a_lock_stands_from_when_max_wait_lets_its_message_start(shelf, key):
    shelf.put(IMPATIENT, key, 1)

    assert pending(IMPATIENT, key).remaining <= MAX_WAIT + LONG


def test_what_has_waited_for_max_wait_is_not_put_off_once_more(shelf, witness, key):
    first = shelf.put(IMPATIENT, key, 1)
    since = pending(IMPATIENT, key).record.since

    wait_until(lambda: time.time() > since + MAX_WAIT)

    result = shelf.put(IMPATIENT, key, 2)
    assert (result.id, result.duplicate) == (first.id, True)


@redis_only
def test_no_queue_is_searched_for_who_is_replaced(redis_server, shelf, key):
    redis_server.client.config_resetstat()

    for number in range(20):
        shelf.put(REPLACING["until_executing"], key, number)

    used = redis_server.client.info("commandstats")
    assert {name.removeprefix("cmdstat_") for name in used}.isdisjoint(SCANS)
