"""A message that is delivered again runs if the first run has not ended, else not.

It is no duplicate: neither of its dead self, nor of another task that took the key.
"""

import os
import signal
from typing import Any
from uuid import uuid4

import pytest
from celery.result import AsyncResult

from tests.servers import Proxy
from tests.waiting import wait_until
from tests.worker.app import app
from tests.worker.tasks import is_free
from tests.worker.tasks_policies import POLICIES
from tests.worker.tasks_redelivery import SURVIVING, early, replacing, storing, tracked
from tests.worker.witness import Witness

pytestmark = pytest.mark.worker

#: Of one task for each policy.
Results = dict[str, AsyncResult]

TIMEOUT = 30

#: Seconds after which Redis as a broker delivers again what nobody acknowledged.
VISIBILITY = 2

SETTINGS = {
    "broker_transport_options": {
        "visibility_timeout": VISIBILITY,
        # How often Kombu looks for such messages; by default, every 100 s.
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
    },
}

#: Longer than all tests: what is taken over is taken over from the dead.
LONG = 600

#: What waits for a living holder looks again when this may be over.
SHORT = 1


@pytest.fixture(params=["redis", "rabbitmq"])
def urls(request, urls):
    """The broker is one of two; results, locks and the witness are in Redis."""
    if request.param == "rabbitmq":
        # It needs no polling, and knows nothing of options for Redis.
        urls["broker"] = request.getfixturevalue("rabbitmq_url")
    return urls


@pytest.fixture
def witness(urls):
    witness = Witness(urls["witness"])
    yield witness
    witness.close()


@pytest.fixture
def start(celery_app, start_worker):
    """Call it for a worker with a slot for each task and its second delivery."""

    def start(lease=LONG, **options):
        settings = {**SETTINGS, "unique_lease": lease}
        return start_worker(settings=settings, concurrency=10, **options)

    return start


@pytest.fixture
def keys(witness):
    """One for each policy."""
    keys = {policy: uuid4().hex for policy in POLICIES}
    yield keys
    for key in keys.values():
        witness.open(key)


def send_all(
    witness: Witness, keys: dict[str, str], runs: int = 1, **options: Any
) -> Results:
    """Send a task of each policy; return the results when all are running."""
    results = {
        policy: SURVIVING[policy].apply_async((key,), **options)
        for policy, key in keys.items()
    }
    for key in keys.values():
        wait_until(lambda: witness.runs(key) == runs, TIMEOUT)
    return results


def pid_of_run(witness: Witness, key: str) -> int:
    return int(witness.noted(f"pids {key}")[-1])


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


def check_that_none_runs_again(
    witness: Witness, keys: dict[str, str], results: Results
) -> None:
    """The second delivery of each waits, and has nothing to do then."""
    for policy, key in keys.items():
        task_id = results[policy].id
        wait_until(lambda: witness.arrivals(task_id) > 1, TIMEOUT, policy)
        witness.open(key)
        assert results[policy].get(timeout=TIMEOUT) == "ran"
    for policy, key in keys.items():
        task_id = results[policy].id
        wait_until(lambda: is_settled(witness, task_id), TIMEOUT, policy)
        assert results[policy].state == "SUCCESS"
        assert (witness.runs(key), witness.most_at_once(key)) == (1, 1)
        assert witness.noted(f"duplicates {key}") == []


def is_settled(witness: Witness, task_id: str) -> bool:
    """Whether an arrival has come and gone after the run of the task has ended."""
    states = witness.states(task_id)
    return "SUCCESS" in states and states[-1] == "IGNORED"


@pytest.mark.parametrize("urls", ["redis"], indirect=True)
def test_a_task_that_outlives_the_visibility_timeout_runs_once(start, witness, keys):
    start(SHORT)
    start(SHORT)

    results = send_all(witness, keys)

    check_that_none_runs_again(witness, keys, results)


def test_a_task_runs_once_if_the_connection_to_the_broker_was_lost(
    start, witness, keys, urls
):
    with Proxy(urls["broker"]) as broker:
        start(SHORT, broker=broker.url)
        results = send_all(witness, keys)

        broker.drop()

        check_that_none_runs_again(witness, keys, results)


@pytest.mark.parametrize("urls", ["redis"], indirect=True)
def test_a_task_whose_eta_is_past_the_visibility_timeout_runs_once(
    start, witness, keys
):
    key = keys["ignore"]
    witness.open(key)
    start()
    start()

    result = early.apply_async((key,), countdown=2 * VISIBILITY)

    wait_until(lambda: witness.arrivals(result.id) > 1, TIMEOUT)
    wait_until(lambda: is_settled(witness, result.id), TIMEOUT)
    assert result.state == "SUCCESS"
    assert witness.runs(key) == 1


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


def test_a_task_does_not_run_again_if_it_died_after_its_result_was_stored(
    start, witness, keys
):
    first = start()
    results = send_all(witness, keys)

    # The parent, which is to acknowledge the messages, hears of nothing any more.
    os.kill(first.pid, signal.SIGSTOP)
    for policy, key in keys.items():
        witness.open(key)
        assert results[policy].get(timeout=TIMEOUT) == "ran"
        wait_until(lambda: is_free(key))
    first.kill()
    start()

    for policy, key in keys.items():
        task_id = results[policy].id
        wait_until(lambda: is_settled(witness, task_id), TIMEOUT, policy)
        assert results[policy].state == "SUCCESS"
        assert witness.runs(key) == 1


@pytest.mark.parametrize("urls", ["redis"], indirect=True)
def test_only_a_body_that_runs_is_started(start, witness, keys):
    """With ``track_started``, which would overwrite the outcome of the first delivery."""
    key = keys["ignore"]
    worker = start(SHORT)
    first = tracked.delay(key)
    wait_until(lambda: first.state == "STARTED")
    assert first.info["hostname"] == worker.name
    assert first.info["pid"] == pid_of_run(witness, key)

    waiting = tracked.delay(key)
    wait_until(lambda: witness.waits(waiting.id) > 2)
    assert waiting.state == "RETRY"
    witness.open(key)
    wait_until(lambda: first.state == waiting.state == "FAILURE")
    tracked.apply_async((key,), task_id=first.id)

    wait_until(lambda: witness.states(first.id) == ["FAILURE", "IGNORED"])
    assert first.state == "FAILURE"
    assert witness.runs(key) == 2


@pytest.mark.parametrize("urls", ["redis"], indirect=True)
def test_a_task_can_replace_itself_by_an_equal_one(start, witness, keys):
    key = keys["ignore"]
    witness.open(key)
    start()

    result = replacing.delay(key)

    assert result.get(timeout=TIMEOUT) == "replaced"
    assert (witness.runs(key), witness.most_at_once(key)) == (2, 1)
    assert witness.noted(f"duplicates {key}") == []
