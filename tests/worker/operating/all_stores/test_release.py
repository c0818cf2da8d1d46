"""A freed lock costs its message nothing, and what lives keeps its own.

How what is stuck gets free is in test_stuck.py.
"""

from typing import Any

import pytest

from tests.waiting import wait_until
from tests.worker.published.shelf import Shelf
from tests.worker.tasks_operated import EXECUTED, RENEWED
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
