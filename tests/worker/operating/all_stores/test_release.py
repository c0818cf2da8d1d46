"""Locks are freed from the command line alone, and what lives keeps its own."""

import json
from typing import Any

import pytest

from tests.waiting import wait_until
from tests.worker.published.shelf import Shelf
from tests.worker.tasks_operated import EXECUTED, NOT_RENEWED, RENEWED
from tests.worker.worker_process import WorkerProcess
from unique_task.backends.steps import Held
from unique_task.options.app_settings import backend_of, settings_of
from unique_task.options.guarded_class import spec_of

pytestmark = pytest.mark.worker


def held(task: Any, key: str) -> Held | None:
    store = backend_of(task.app, settings_of(task.app))
    return store.get(spec_of(task).digest(task, (key,), {}))


@pytest.fixture
def running(start_elsewhere, witness, key):
    """Call it for a run on a new worker elsewhere, and that worker."""

    def run(task):
        worker = start_elsewhere()
        result = task.delay(key)
        wait_until(lambda: witness.runs(key))
        return result, worker

    yield run
    witness.open(key)


def test_a_killed_worker_leaves_a_lock_that_is_found_and_freed(
    unique, running, witness, key, tmp_path, module_urls, elsewhere
):
    result, worker = running(NOT_RENEWED)
    worker.kill()
    assert unique("release", result.id, "--force").code == 1
    assert held(NOT_RENEWED, key)

    options = {**module_urls, "pool": "threads", "environment": elsewhere}
    another = WorkerProcess(tmp_path, **options)
    another.name = worker.name
    with another:
        dry = unique("release", "--dead")
        assert held(NOT_RENEWED, key)
        done = unique("release", "--dead", "--force", "--json")
        witness.open(key)
        again = NOT_RENEWED.delay(key)
        assert again.get(timeout=30) == 1

    assert dry.code == 0, dry.err
    assert "would be released" in dry.out and "add --force" in dry.out
    assert done.code == 0, done.err
    owners = [one["holder"]["owner"] for one in done.objects]
    assert (owners, done.objects[0]["outcome"]) == ([result.id], "released")


def test_a_lost_message_is_found_and_its_lock_freed(unique, witness, key):
    shelf = Shelf(key)
    lost = shelf.put(EXECUTED, key)
    shelf.clear()
    assert EXECUTED.delay(key).id == lost.id

    done = unique("release", EXECUTED.name, "-a", json.dumps([key]), "-f")

    assert done.code == 0, done.err
    assert not held(EXECUTED, key)


def test_the_message_of_a_freed_lock_runs_when_it_comes(
    unique, start_elsewhere, witness, key
):
    shelf = Shelf(key)
    result = shelf.put(EXECUTED, key)
    assert unique("release", "--task", EXECUTED.name, "--pending", "-f").code == 0
    assert not held(EXECUTED, key)
    witness.open(key)
    start_elsewhere()

    shelf.deliver()

    assert result.get(timeout=30) == 1


def test_what_lives_is_refused(unique, running, key):
    result, worker = running(RENEWED)

    done = unique("release", result.id, "--force")

    assert done.code == 1
    assert f"{worker.name} has its task" in done.out
    assert "add --running to take its lock away" in done.out
    holder = held(RENEWED, key)
    assert holder and holder.record.owner == result.id


def test_it_asks_which_locks(unique):
    done = unique("release", "--force")

    assert done.code == 64
    assert "--running and --held" in done.err


def test_where_there_is_none_it_says_so(unique):
    done = unique("release", "0" * 32, "--force")

    assert (done.code, done.rows[-1]) == (0, "no such lock is held".split())
