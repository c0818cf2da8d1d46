"""The locks of all tasks, listed from the command line."""

from typing import Any

import pytest

from tests.waiting import wait_until
from tests.worker.operating.command import Unique
from tests.worker.published.shelf import Shelf
from tests.worker.tasks_operated import QUEUED, RENEWED, WAITING, WINDOW
from tests.worker.tasks_several import SEVERAL

pytestmark = pytest.mark.worker

#: For what a command does with a list, wherever that comes from.
redis_only = pytest.mark.parametrize(
    "module_urls", ["redis"], indirect=True, scope="module"
)


@pytest.fixture(scope="module")
def worker(start_module_worker):
    return start_module_worker(pool="threads", concurrency=6)


@pytest.fixture
def running(worker, witness, key):
    """Call it to have so many runs of a task go on until the end of the test."""

    def run(task, runs=1):
        results = [task.delay(key, number) for number in range(runs)]
        wait_until(lambda: witness.runs(key) >= runs)
        return results

    yield run
    witness.open(key)


def ls(unique: Unique, *words: str) -> dict[str, Any]:
    """The holders that are listed, by their owners."""
    done = unique("ls", "--json", *words)
    assert done.code == 0, done.err
    return {
        holder["owner"]: {**holder, "kind": lock["kind"]}
        for lock in done.objects
        for holder in lock["holders"]
    }


def test_all_that_is_held_is_listed(unique, running, worker, key):
    [result] = running(RENEWED)

    done = unique("ls", "--task", RENEWED.name)

    assert done.code == 0, done.err
    assert done.out.startswith("store: ")
    row = next(row for row in done.rows if result.id in row)
    assert row[0] == RENEWED.name
    assert row[2:5] == ["running", result.id, worker.name]
    assert row[-1] == "alive"


def test_each_of_several_holders_is_listed(unique, running, key):
    results = running(SEVERAL, 3)

    listed = ls(unique, "--task", SEVERAL.name)

    assert set(listed) == {result.id for result in results}
    assert {holder["verdict"] for holder in listed.values()} == {"alive"}


def test_a_message_in_a_queue_is_listed_as_pending(unique, running, key):
    [result] = running(QUEUED)
    shelf = Shelf(key)
    second = shelf.put(QUEUED, key, 2)

    listed = ls(unique, "--task", QUEUED.name)
    pending = ls(unique, "--task", QUEUED.name, "--state", "pending")
    shelf.clear()

    assert set(listed) == {result.id, second.id}
    assert set(pending) == {second.id}
    assert pending[second.id]["kind"] == "pending"
    assert pending[second.id]["verdict"] == "unknown"


def test_a_call_that_waits_holds_no_lock(unique, running, witness, key):
    [first] = running(WAITING)
    second = WAITING.delay(key)
    wait_until(lambda: witness.waits(second.id))

    assert set(ls(unique, "--task", WAITING.name)) == {first.id}
    [shown] = unique("show", first.id, "-j").objects
    assert [one["count"] for one in shown["waiting"]] == [1]


@redis_only
def test_a_lock_that_stands_for_a_time_is_alive_when_its_task_has_ended(
    unique, worker, witness, key
):
    witness.open(key)
    result = WINDOW.delay(key)
    assert result.get(timeout=30) == 1

    holder = ls(unique, "--task", WINDOW.name)[result.id]

    assert holder["verdict"] == "alive"
    assert holder["reason"] == "it stands until its time is over"


@redis_only
def test_filters_choose(unique, running, worker, key):
    [result] = running(RENEWED)

    def found(*words: str) -> bool:
        return result.id in ls(unique, *words)

    assert found("--worker", worker.name, "--verdict", "alive", "--older-than", "0.001")
    assert not found("--worker", "nobody*")
    assert not found("--verdict", "dead")
    assert not found("--older-than", "3600")
    assert not found("--task", "*.other")


@redis_only
def test_an_empty_list_says_so(unique):
    done = unique("ls", "--task", "nothing.*")

    assert (done.code, done.rows[-1]) == (0, ["none", "matches"])


def test_a_lock_is_shown_by_the_id_of_its_task(unique, running, key):
    [result] = running(RENEWED)

    done = unique("show", result.id)

    assert done.code == 0, done.err
    assert f"{result.id} is alive" in done.out


@redis_only
def test_an_id_that_holds_nothing_is_not_found(unique):
    done = unique("show", "no-such-id")

    assert done.code == 1
    assert "no task no-such-id holds a lock" in done.err
