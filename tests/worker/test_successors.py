"""A task that sends its own next run, and a caller who waits for one to call again."""

import os
import signal

import pytest

from tests.waiting import wait_until
from tests.worker.tasks_successors import AWAITED, LOOPING, RUNS
from tests.worker.witness import Witness
from unique_task.options.lock_types import LOCK_TYPES

pytestmark = pytest.mark.worker

TIMEOUT = 60


@pytest.fixture(scope="module", autouse=True)
def worker(start_module_worker):
    return start_module_worker(concurrency=4, settings={"unique_lease": 600})


@pytest.fixture
def witness(module_urls):
    """Not the one that waits for the end of tasks, which those that are killed lack."""
    witness = Witness(module_urls["witness"])
    yield witness
    witness.close()


def check_that_all_ran(witness: Witness, key: str) -> None:
    wait_until(lambda: witness.noted(f"run {key}").count("end") >= RUNS, TIMEOUT)
    assert witness.most_at_once(key) == 1


@pytest.mark.parametrize("lock", LOCK_TYPES)
def test_each_run_is_followed_by_the_next(witness, key, lock):
    """Its message comes while the run that has sent it goes on."""
    LOOPING[lock].delay(key)
    wait_until(lambda: witness.runs(key), TIMEOUT)
    witness.open(key)

    check_that_all_ran(witness, key)


@pytest.mark.parametrize("lock", ["while_executing", "until_executed"])
def test_what_follows_a_run_that_was_killed_runs(witness, key, lock):
    LOOPING[lock].delay(key)
    [pid] = wait_until(lambda: witness.noted(f"pids {key}"), TIMEOUT)
    # It has sent its successor by the time that it waits.
    os.kill(int(pid), signal.SIGKILL)

    wait_until(lambda: len(witness.noted(f"pids {key}")) == 2, TIMEOUT)
    witness.open(key)
    wait_until(lambda: len(witness.noted(f"pids {key}")) == RUNS, TIMEOUT)


@pytest.mark.parametrize("fails", [False, True], ids=["value", "failure"])
@pytest.mark.parametrize(("lock", "late"), AWAITED)
def test_who_has_seen_the_end_runs_the_next_call(witness, key, lock, late, fails):
    work = AWAITED[lock, late]

    for number in range(1, 11):
        result = work.delay(key, fails)
        result.get(timeout=TIMEOUT, interval=0.005, propagate=False)
        assert result.failed() == fails, result.result
        assert len(witness.noted(f"awaited {key}")) == number
