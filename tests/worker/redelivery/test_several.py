"""A message that is delivered again, where several may hold its key and there is room.

Its first run is alive, or has died, or has ended: never do two of them run at once.
"""

import os
import signal
from uuid import uuid4

import pytest

from tests.servers import Proxy
from tests.waiting import wait_until
from tests.worker.conftest import redis_only
from tests.worker.redelivery.sending import (
    SHORT,
    TIMEOUT,
    Results,
    pid_of_run,
    state_of,
)
from tests.worker.tasks_several import SURVIVING
from tests.worker.witness import Witness

pytestmark = pytest.mark.worker


@pytest.fixture
def keys(witness):
    """One for each lock type."""
    keys = {lock: f"{lock} {uuid4().hex}" for lock in SURVIVING}
    yield keys
    for key in keys.values():
        witness.open(key)


def send_all(witness: Witness, keys: dict[str, str]) -> Results:
    results = {lock: SURVIVING[lock].delay(key) for lock, key in keys.items()}
    for key in keys.values():
        wait_until(lambda: witness.runs(key) == 1, TIMEOUT)
    return results


def check_that_each_runs_once(
    witness: Witness, keys: dict[str, str], results: Results
) -> None:
    """The second delivery of each waits, and has nothing to do then."""
    for lock, key in keys.items():
        task_id = results[lock].id
        wait_until(lambda: len(witness.states(task_id)), TIMEOUT, lock)
        assert witness.states(task_id)[0] == "IGNORED"
        assert state_of(task_id) == "PENDING"
        witness.open(key)
        assert results[lock].get(timeout=TIMEOUT) == "ran"
    for lock, key in keys.items():
        task_id = results[lock].id
        wait_until(lambda: witness.states(task_id)[-1] == "IGNORED", TIMEOUT, lock)
        assert (witness.runs(key), witness.most_at_once(key)) == (1, 1)


@redis_only
def test_one_that_outlives_the_visibility_timeout_runs_once(start, witness, keys):
    start(SHORT)
    start(SHORT)

    results = send_all(witness, keys)

    check_that_each_runs_once(witness, keys, results)


@redis_only
def test_one_runs_once_if_the_connection_to_the_broker_was_lost(
    start, witness, keys, urls
):
    with Proxy(urls["broker"]) as broker:
        start(SHORT, broker=broker.url)
        results = send_all(witness, keys)

        broker.drop()

        check_that_each_runs_once(witness, keys, results)


@pytest.mark.parametrize("killed", ["child", "worker"])
@redis_only
def test_one_runs_again_if_its_first_run_was_killed(start, witness, keys, killed):
    first = start()
    results = send_all(witness, keys)

    if killed == "worker":
        first.kill()
        start()
    else:
        for key in keys.values():
            os.kill(pid_of_run(witness, key), signal.SIGKILL)

    for lock, key in keys.items():
        wait_until(lambda: witness.runs(key) == 2, TIMEOUT, lock)
        witness.open(key)
        assert results[lock].get(timeout=TIMEOUT) == "ran"
        assert witness.noted(f"ends {key}") == [results[lock].id]
