"""One lock, seen from the command line while real workers hold it."""

import json
from typing import Any

import pytest

from tests.waiting import wait_until
from tests.worker.published.shelf import Shelf
from tests.worker.tasks_exits import leave
from tests.worker.tasks_policies import EARLY
from tests.worker.tasks_published import GUARDED_BY
from tests.worker.tasks_waiting import EARLY as IN_LINE
from unique_task.options.guarded_class import spec_of

pytestmark = [pytest.mark.worker, pytest.mark.usefixtures("worker")]


def key_of(task: Any, *args: Any) -> str:
    return spec_of(task).digest(task, args, {})


def test_a_held_lock_is_shown_with_its_holder(unique, running, worker, key):
    result = running(leave, "return")

    done = unique("show", leave.name, "--args", json.dumps([key, "return"]))

    assert done.code == 0, done.err
    row = next(row for row in done.rows if row[:1] == [leave.name])
    assert row[1:5] == [key_of(leave, key, "return"), "running", result.id, worker.name]
    assert row[-1] == "alive"
    assert f"{result.id} is alive: its process lives" in done.out
    assert f"waiting: none in the workers that answered: {worker.name}" in done.out


def test_a_lock_is_shown_by_its_key(unique, running, key):
    result = running(leave, "return")

    [shown] = unique("show", key_of(leave, key, "return"), "--json").objects

    [lock] = shown["locks"]
    assert [holder["owner"] for holder in lock["holders"]] == [result.id]
    assert "key-" not in json.dumps(shown) and key not in json.dumps(shown)


def test_a_free_lock_is_shown_as_free(unique, key):
    done = unique("show", leave.name, "-a", json.dumps([key]))

    assert done.code == 0
    assert "the lock is free" in done.out


def test_the_calls_that_wait_are_counted(unique, running, witness, worker, key):
    running(IN_LINE, 1)
    others = [IN_LINE.delay(key, number) for number in (2, 3)]
    for other in others:
        wait_until(lambda: witness.waits(other.id))

    def counted() -> list[Any]:
        [shown] = unique("show", IN_LINE.name, "-a", f'["{key}"]', "-j").objects
        return [(one["worker"], one["count"]) for one in shown["waiting"]]

    wait_until(lambda: counted() == [(worker.name, 2)], 60)
    assert f"waiting: 2 in {worker.name}" in unique("show", key_of(IN_LINE, key)).out


def test_a_message_in_a_queue_is_pending_and_nobody_knows_of_it(unique, key):
    task, shelf = GUARDED_BY["until_and_while_executing", "ignore"], Shelf(key)
    result = shelf.put(task, key)

    [shown] = unique("show", key_of(task, key), "-j").objects
    shelf.clear()

    [lock] = shown["locks"]
    [holder] = lock["holders"]
    assert (lock["kind"], holder["state"]) == ("pending", "pending")
    assert (holder["owner"], holder["worker"]) == (result.id, "")
    assert holder["verdict"] == "unknown"
    assert holder["reason"] == "its message may wait in a queue"


def test_a_call_is_explained(unique, running, worker, key):
    result = running(EARLY["raise"])

    done = unique("explain", EARLY["raise"].name, "--args", f'["{key}"]')

    assert done.code == 0, done.err
    assert f"key:         {key_of(EARLY['raise'], key)}" in done.out
    assert "at publish:  sent: its worker takes the lock" in done.out
    assert "at run:      does not run: it fails with DuplicateTaskError" in done.out
    assert f"{result.id} is alive" in done.out


def test_an_explanation_is_one_object(unique, key):
    [told] = unique("explain", leave.name, "-a", f'["{key}"]', "-j", "-t", "0").objects

    assert told["key"] == key_of(leave, key)
    assert told["at_run"]["happens"] == "runs"


def test_a_task_that_is_not_there_is_an_error_of_usage(unique):
    done = unique("explain", "nothing")

    assert done.code == 64
    assert "the app has no task 'nothing'; its unique tasks: " in done.err


def test_without_an_app_it_asks_for_one(unique):
    unique.app = None

    done = unique("explain", leave.name)

    assert done.code == 64
    assert "celery -A proj unique explain" in done.err


def test_arguments_that_are_no_json_are_an_error(unique):
    assert unique("explain", leave.name, "--args", "[7").code == 2
