"""A worker dies, or loses its broker: a task runs again if it must, and never twice."""

from typing import Any

import celery
import pytest
from billiard.exceptions import WorkerLostError

from tests.servers import Proxy
from tests.waiting import wait_until
from tests.worker.conftest import hasty_witness, redis_only
from tests.worker.published.locks import held
from tests.worker.redelivery.conftest import SETTINGS
from tests.worker.tasks_published import AT_PUBLISH, DYING, SURVIVING
from tests.worker.witness import Witness

pytestmark = pytest.mark.worker

TIMEOUT = 30

#: What waits for a living holder looks again when this may be over.
LEASE = 5


witness = hasty_witness


@pytest.fixture
def start(celery_app, start_worker):
    """Call it for a worker whose tasks are delivered again soon after its death."""

    def start(**options):
        settings = {**SETTINGS, "unique_lease": LEASE}
        options = {"pool": "threads", "concurrency": 10, **options}
        return start_worker(settings=settings, **options)

    return start


@pytest.fixture
def keys(witness, key):
    """One for each lock type."""
    keys = {lock: f"{key} {lock}" for lock in AT_PUBLISH}
    yield keys
    for each in keys.values():
        witness.open(each)


@pytest.fixture
def running(witness, keys):
    """Call it for the results of tasks that run, one of each lock type."""

    def send():
        results = {lock: SURVIVING[lock].delay(key) for lock, key in keys.items()}
        for key in keys.values():
            wait_until(lambda: witness.runs(key) == 1, TIMEOUT)
        return results

    return send


def all_end_after(
    runs: int, witness: Witness, keys: dict[str, str], results: dict[str, Any]
) -> None:
    """Open the gates; each task ends, has run so often, and leaves its lock."""
    for lock, key in keys.items():
        witness.open(key)
        assert results[lock].get(timeout=TIMEOUT) == "ran"
        wait_until(lambda: "SUCCESS" in witness.states(results[lock].id))
        window = lock == "until_expired"
        wait_until(lambda: bool(held(SURVIVING[lock], key)) is window)
        assert witness.runs(key) == runs
        assert witness.noted(f"duplicates {key}") == []


def test_a_task_whose_worker_was_killed_runs_again_once(start, running, witness, keys):
    first = start()
    results = running()

    first.kill()
    start()

    for lock, key in keys.items():
        wait_until(lambda: witness.runs(key) == 2, TIMEOUT, f"{lock} does not run")
    all_end_after(2, witness, keys, results)


@redis_only
def test_a_lock_is_freed_if_the_child_that_ran_its_task_was_killed(start, witness, key):
    start(pool="prefork", concurrency=4)
    keys = {lock: f"{key} {lock}" for lock in AT_PUBLISH}
    results = {lock: DYING[lock].delay(each) for lock, each in keys.items()}
    # Celery runs a task again if it dies before the worker has read that it began.
    for each in keys.values():
        wait_until(lambda: witness.runs(each) == 1)

    for lock, each in keys.items():
        witness.open(each)
        with pytest.raises(WorkerLostError):
            results[lock].get(timeout=TIMEOUT)
        window = lock == "until_expired"
        wait_until(lambda: bool(held(DYING[lock], each)) is window)
        assert witness.runs(each) == 1


def test_a_task_that_is_delivered_again_does_not_run_beside_itself(
    urls, start, running, witness, keys
):
    if celery.VERSION < (5, 4) and urls["broker"].startswith("amqp"):
        pytest.skip("Celery 5.3 fetches after it has connected again, and runs nothing")
    with Proxy(urls["broker"]) as broker:
        start(broker=broker.url)
        results = running()

        broker.drop()

        for result in results.values():
            wait_until(lambda: "IGNORED" in witness.states(result.id), TIMEOUT)
        all_end_after(1, witness, keys, results)


def test_what_a_killed_worker_had_fetched_runs_under_the_lock_that_waits_for_it(
    start, witness, keys
):
    first = start(concurrency=1)
    blocker, fetched = (SURVIVING["until_executed"], SURVIVING["until_executing"])
    key, other = keys["until_executing"], keys["until_executed"]
    blocker.delay(other)
    wait_until(lambda: witness.runs(other), TIMEOUT)
    result = fetched.delay(key)
    first.wait_for_log(f"{result.id}] received")

    first.kill()

    assert fetched.delay(key).id == result.id
    start()
    wait_until(lambda: witness.runs(key) == 1, TIMEOUT)
    witness.open(key)
    assert result.get(timeout=TIMEOUT) == "ran"
    assert witness.noted(f"duplicates {key}") == []
