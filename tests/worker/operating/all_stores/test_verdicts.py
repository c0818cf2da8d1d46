"""Who is alive and who is dead, where no process can be seen from here."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.waiting import wait_until
from tests.worker.operating.all_stores.test_ls import ls, redis_only
from tests.worker.tasks_operated import NOT_RENEWED, RENEWED
from tests.worker.worker_process import WorkerProcess

# Workers are asked the same, wherever the locks are; test_stuck.py has all stores.
pytestmark = [pytest.mark.worker, redis_only]


@contextmanager
def worker_named(name: str, directory, urls, environment) -> Iterator[WorkerProcess]:
    """A worker with the name of one that is gone."""
    worker = WorkerProcess(directory, **urls, pool="threads", environment=environment)
    worker.name = name
    with worker:
        yield worker


@pytest.fixture
def started(start_elsewhere, witness, key):
    """Call it for a run on a new worker elsewhere, and that worker."""

    def started(task):
        worker = start_elsewhere()
        result = task.delay(key)
        wait_until(lambda: witness.runs(key))
        return result, worker

    yield started
    witness.open(key)


def test_a_worker_says_that_it_has_the_task(unique, started):
    result, worker = started(RENEWED)

    holder = ls(unique)[result.id]

    assert holder["worker"] == worker.name
    assert holder["verdict"] == "alive"
    assert holder["reason"] == f"{worker.name} has its task"
    assert ls(unique, "-t", "0")[result.id]["verdict"] == "unknown"


def test_of_a_killed_worker_nobody_knows_until_one_of_its_name_answers(
    unique, started, tmp_path, module_urls
):
    result, worker = started(NOT_RENEWED)
    worker.kill()

    before = ls(unique)[result.id]
    # On another machine, where the process cannot be seen.
    with worker_named(worker.name, tmp_path, module_urls, {}):
        after = ls(unique)[result.id]

    assert before["verdict"] == "unknown"
    assert after["verdict"] == "dead"
    assert after["reason"] == f"{worker.name} answers and does not have its task"


def test_a_lease_that_was_renewed_a_moment_ago_is_not_dead(
    unique, started, tmp_path, module_urls
):
    """A worker of the same name may take over while the old one ends its tasks."""
    unique.settings = {"unique_lease": 600}
    result, worker = started(RENEWED)
    worker.kill()

    with worker_named(worker.name, tmp_path, module_urls, {}):
        holder = ls(unique)[result.id]

    assert holder["verdict"] == "unknown"
    assert "but the lease was renewed" in holder["reason"]


def test_a_worker_sees_the_processes_of_its_machine(
    unique, started, witness, tmp_path, module_urls, elsewhere, key
):
    """The old worker ends its tasks and answers no more; one of its name does."""
    result, worker = started(NOT_RENEWED)
    os.kill(worker.pid, signal.SIGTERM)
    worker.wait_for_log("Warm shutdown")

    with worker_named(worker.name, tmp_path, module_urls, elsewhere):
        ends = ls(unique)[result.id]
        worker.kill()
        killed = ls(unique)[result.id]

    assert (ends["verdict"], killed["verdict"]) == ("alive", "dead")
    assert ends["reason"] == f"its process lives, says {worker.name}"
    assert killed["reason"] == f"its process is gone, says {worker.name}"
