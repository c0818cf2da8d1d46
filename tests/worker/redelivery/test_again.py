"""A message that is delivered again after its first run has died runs to its end.

It is no duplicate: neither of its dead self, nor of another task that took the key.
"""

import os
import signal

import pytest

from tests.waiting import wait_until
from tests.worker.app import app
from tests.worker.conftest import redis_only
from tests.worker.redelivery.sending import (
    SHORT,
    TIMEOUT,
    Results,
    pid_of_run,
    send_all,
)
from tests.worker.tasks_redelivery import replacing, storing
from tests.worker.witness import Witness

pytestmark = pytest.mark.worker


def check_that_all_ran_again(
    witness: Witness, keys: dict[str, str], results: Results
) -> None:
    """Each has run twice: once to the end, and never as a duplicate."""
    for policy, key in keys.items():
        wait_until(lambda: witness.runs(key) == 2, TIMEOUT, f"{policy} does not run")
        witness.open(key)
        assert results[policy].get(timeout=TIMEOUT) == "ran"
        assert witness.noted(f"ends {key}") == [results[policy].id]
        assert witness.noted(f"duplicates {key}") == []


def test_a_task_runs_again_if_its_child_was_killed(start, witness, keys):
    start()
    results = send_all(witness, keys)

    for key in keys.values():
        os.kill(pid_of_run(witness, key), signal.SIGKILL)

    check_that_all_ran_again(witness, keys, results)


def test_a_task_runs_again_if_its_worker_was_killed(start, witness, keys):
    first = start()
    results = send_all(witness, keys)

    first.kill()
    start()

    check_that_all_ran_again(witness, keys, results)


def test_a_task_runs_again_after_a_cold_shutdown(start, witness, keys):
    first = start()
    results = send_all(witness, keys)

    os.kill(first.pid, signal.SIGQUIT)
    wait_until(lambda: not first.running, TIMEOUT)
    start()

    check_that_all_ran_again(witness, keys, results)


def test_a_task_waits_for_who_took_its_key_when_it_was_dead(start, witness, keys):
    first = start()
    results = send_all(witness, keys)
    first.kill()
    # What the first one had goes back to the default queue.
    start(SHORT, options=["-Q", "other"])
    foreign = send_all(witness, keys, queue="other", runs=2)
    app.control.add_consumer(app.conf.task_default_queue)

    for policy, key in keys.items():
        wait_until(lambda: witness.arrivals(results[policy].id) > 2, TIMEOUT)
        assert witness.runs(key) == 2
        witness.open(key)

    for policy, key in keys.items():
        assert foreign[policy].get(timeout=TIMEOUT) == "ran"
        assert results[policy].get(timeout=TIMEOUT) == "ran"
        ends = [foreign[policy].id, results[policy].id]
        assert witness.noted(f"ends {key}") == ends
        assert witness.noted(f"duplicates {key}") == []


def test_a_task_runs_again_if_it_died_before_its_result_was_stored(
    start, witness, keys
):
    key = keys["ignore"]
    start()
    result = storing.delay(key)
    wait_until(lambda: witness.noted(f"pids {key}"), TIMEOUT)

    os.kill(pid_of_run(witness, key), signal.SIGKILL)

    wait_until(lambda: len(witness.noted(f"pids {key}")) == 2, TIMEOUT)
    witness.open(key)
    assert result.get(timeout=TIMEOUT) == "stored"


@redis_only
def test_a_task_can_replace_itself_by_an_equal_one(start, witness, keys):
    key = keys["ignore"]
    witness.open(key)
    start()

    result = replacing.delay(key)

    assert result.get(timeout=TIMEOUT) == "replaced"
    assert (witness.runs(key), witness.most_at_once(key)) == (2, 1)
    assert witness.noted(f"duplicates {key}") == []
