"""The policy cached: one run for all who ask while it lasts, and for a while after."""

import time

import pytest

from tests.waiting import wait_until
from tests.worker import tasks_policies as tasks

pytestmark = pytest.mark.worker

TIMEOUT = 20


@pytest.fixture(scope="module", autouse=True)
def worker(start_module_worker):
    return start_module_worker(concurrency=4)


def test_all_who_ask_while_it_runs_get_the_value_of_one_run(witness, key):
    task = tasks.EARLY["cached"]
    leader = task.delay(key, "value of the leader")
    wait_until(lambda: witness.runs(key))
    others = [task.delay(key, f"value of {number}") for number in range(5)]
    for other in others:
        wait_until(lambda: witness.waits(other.id))

    witness.open(key)

    values = [result.get(timeout=TIMEOUT) for result in [leader, *others]]
    assert values == ["value of the leader"] * 6
    assert witness.runs(key) == 1


def test_who_asks_later_gets_the_value_without_a_run(witness, key):
    witness.open(key)
    tasks.EARLY["cached"].delay(key, "first").get(timeout=TIMEOUT)

    assert tasks.EARLY["cached"].delay(key, "second").get(timeout=TIMEOUT) == "first"
    assert witness.runs(key) == 1


def test_late_acknowledgement_hands_out_the_value_as_well(witness, key):
    witness.open(key)
    first = tasks.LATE["cached"].delay(key, "first")
    # With its outcome, that is: after it can be seen.
    wait_until(lambda: witness.states(first.id))

    assert tasks.LATE["cached"].delay(key, "second").get(timeout=TIMEOUT) == "first"
    assert witness.runs(key) == 1


def test_while_runs_fail_those_who_wait_lead_one_at_a_time(witness, key):
    task = tasks.caching_after_failures
    leader = task.delay(key, failures=2)
    wait_until(lambda: witness.runs(key))
    others = [task.delay(key, failures=2) for _ in range(4)]
    for other in others:
        wait_until(lambda: witness.waits(other.id))

    witness.open(key)

    results = [leader, *others]
    values = [result.get(timeout=TIMEOUT, propagate=False) for result in results]
    assert [type(value) for value in values].count(ValueError) == 2
    assert values.count(3) == 3
    assert (witness.runs(key), witness.most_at_once(key)) == (3, 1)


def test_a_value_is_fresh_for_its_ttl_and_no_longer(witness, key):
    task = tasks.caching_for_a_moment
    asked = time.monotonic()
    assert task.delay(key).get(timeout=TIMEOUT) == 1

    wait_until(lambda: task.delay(key).get(timeout=TIMEOUT) == 2)

    assert time.monotonic() - asked >= 0.5
    assert witness.runs(key) == 2
