"""A message that is delivered again while its first run lives, or has ended, runs once.

Whatever its policy: it is no duplicate, and the result of the first run stays.
"""

import os
import signal

import celery
import pytest
from redis import Redis

from tests.servers import Proxy
from tests.waiting import wait_until
from tests.worker.app import app
from tests.worker.conftest import redis_only
from tests.worker.redelivery.sending import (
    SHORT,
    TIMEOUT,
    VISIBILITY,
    Results,
    pid_of_run,
    send_all,
    state_of,
)
from tests.worker.tasks_redelivery import SURVIVING, early, tracked
from tests.worker.witness import Witness
from unique_task.backends.cells import FINISHED

pytestmark = pytest.mark.worker


def check_that_none_runs_again(
    witness: Witness, keys: dict[str, str], results: Results
) -> None:
    """The second delivery of each waits, and has nothing to do then."""
    for policy, key in keys.items():
        task_id = results[policy].id
        wait_until(lambda: len(witness.states(task_id)), TIMEOUT, policy)
        # It waits without a word: the state is that of the first delivery.
        assert state_of(task_id) == "PENDING"
        witness.open(key)
        assert results[policy].get(timeout=TIMEOUT) == "ran"
    for policy, key in keys.items():
        task_id = results[policy].id
        wait_until(lambda: is_settled(witness, task_id), TIMEOUT, policy)
        assert state_of(task_id) == "SUCCESS"
        assert (witness.runs(key), witness.most_at_once(key)) == (1, 1)
        assert witness.noted(f"duplicates {key}") == []


def is_settled(witness: Witness, task_id: str, state: str = "SUCCESS") -> bool:
    """Whether an arrival has come and gone after the run of the task has ended."""
    states = witness.states(task_id)
    return state in states and states[-1] == "IGNORED"


def has_finished(urls: dict[str, str], task_id: str) -> bool:
    """Whether it is known that the task must not run again."""
    with Redis.from_url(urls["locks"]) as locks:
        marks = locks.keys(f"*:attempt:{task_id}/*")
        return [locks.get(mark) for mark in marks] == [FINISHED]


@redis_only
def test_a_task_that_outlives_the_visibility_timeout_runs_once(start, witness, keys):
    start(SHORT)
    start(SHORT)

    results = send_all(witness, keys)

    check_that_none_runs_again(witness, keys, results)


def test_a_task_runs_once_if_the_connection_to_the_broker_was_lost(
    start, witness, keys, urls
):
    if celery.VERSION < (5, 4) and urls["broker"].startswith("amqp"):
        pytest.skip("Celery 5.3 fetches after it has connected again, and runs nothing")
    with Proxy(urls["broker"]) as broker:
        start(SHORT, broker=broker.url)
        results = send_all(witness, keys)

        broker.drop()

        check_that_none_runs_again(witness, keys, results)


@redis_only
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
    assert state_of(result.id) == "SUCCESS"
    assert witness.runs(key) == 1


def test_a_task_does_not_run_again_if_it_died_after_its_result_was_stored(
    start, witness, keys, urls
):
    # By default twice the visibility timeout: too short for a new worker to start.
    remember = {"unique_redelivery": 600}
    first = start(more=remember)
    results = send_all(witness, keys)

    # The parent, which is to acknowledge the messages, hears of nothing any more.
    os.kill(first.pid, signal.SIGSTOP)
    for policy, key in keys.items():
        witness.open(key)
        assert results[policy].get(timeout=TIMEOUT) == "ran"
        wait_until(lambda: has_finished(urls, results[policy].id))
    first.kill()
    start(more=remember)

    for policy, key in keys.items():
        task_id = results[policy].id
        wait_until(
            lambda: is_settled(witness, task_id),
            TIMEOUT,
            lambda: f"{policy}: {witness.states(task_id)}",
        )
        assert state_of(task_id) == "SUCCESS"
        assert witness.runs(key) == 1


@redis_only
def test_only_a_body_that_runs_is_started(start, witness, keys):
    """With ``track_started``, which would overwrite what the first delivery stored."""
    key = keys["ignore"]
    worker = start(SHORT)
    first = tracked.delay(key)
    wait_until(lambda: state_of(first.id) == "STARTED")
    assert first.info["hostname"] == worker.name
    assert first.info["pid"] == pid_of_run(witness, key)

    waiting = tracked.delay(key)
    wait_until(lambda: witness.waits(waiting.id) > 2)
    assert state_of(waiting.id) == "RETRY"
    wait_until(lambda: witness.arrivals(first.id) > 1)
    witness.open(key)

    wait_until(lambda: is_settled(witness, first.id, "FAILURE"), TIMEOUT)
    assert state_of(first.id) == "FAILURE"


def test_a_duplicate_that_no_worker_began_with_is_still_one(start, witness, keys):
    """Fetched by a worker that died, it comes again, but was never let in."""
    key, other = keys["ignore"], keys["skip"]
    first = start(concurrency=1)
    SURVIVING["ignore"].delay(other)
    wait_until(lambda: witness.runs(other), TIMEOUT)
    # Behind what keeps the only slot busy.
    duplicate = SURVIVING["ignore"].delay(key)
    first.wait_for_log(f"{duplicate.id}] received")
    start(SHORT, options=["-Q", "other"])
    holder = SURVIVING["ignore"].apply_async((key,), queue="other")
    wait_until(lambda: witness.runs(key), TIMEOUT)

    first.kill()
    app.control.add_consumer(app.conf.task_default_queue)

    wait_until(lambda: state_of(duplicate.id) == "REVOKED", TIMEOUT)
    witness.open(key)
    assert holder.get(timeout=TIMEOUT) == "ran"
    assert witness.runs(key) == 1


@redis_only
def test_what_waited_for_a_slot_for_too_long_runs_once(start, witness, keys):
    """Acknowledged when it starts, and delivered to another worker before that."""
    key, other = keys["ignore"], keys["skip"]
    first = start(SHORT, concurrency=1)
    early.delay(other)
    wait_until(lambda: witness.runs(other), TIMEOUT)
    result = early.delay(key)
    first.wait_for_log(f"{result.id}] received")
    start(SHORT)
    witness.open(key)
    assert result.get(timeout=TIMEOUT) == "ran"

    witness.open(other)

    wait_until(lambda: is_settled(witness, result.id), TIMEOUT)
    assert witness.runs(key) == 1
