"""A task that retries is no duplicate of itself, nor is it dropped for another."""

import pytest

from tests.waiting import wait_until
from tests.worker.app import app
from tests.worker.tasks import is_free
from tests.worker.tasks_policies import POLICIES
from tests.worker.tasks_retrying import ASKING, FAILING, INTERRUPTED

pytestmark = pytest.mark.worker

TIMEOUT = 20

LATE = pytest.mark.parametrize("late", [False, True], ids=["early", "late"])


@pytest.fixture(scope="module", autouse=True)
def worker(start_module_worker):
    return start_module_worker(concurrency=4)


@LATE
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("tasks", [ASKING, FAILING], ids=["self.retry", "autoretry"])
def test_a_retry_is_no_duplicate_of_its_own_task(witness, key, tasks, policy, late):
    witness.open(key)

    result = tasks[policy, late].delay(key)

    assert result.get(timeout=TIMEOUT) == "second try"
    assert (witness.runs(key), witness.most_at_once(key)) == (2, 1)
    # It waited for the first try where it was, and did not come back later.
    wait_until(lambda: len(witness.states(result.id)) > 1)
    assert sorted(witness.states(result.id)) == ["RETRY", "SUCCESS"]
    assert witness.noted(f"duplicates {key}") == []


@LATE
@pytest.mark.parametrize("policy", POLICIES)
def test_a_retry_waits_for_who_came_between_the_tries(witness, key, policy, late):
    task = INTERRUPTED[policy, late]
    # The worker does not listen to it yet, so the second try does not come yet.
    queue = f"queue {key}"
    retried = task.delay(key, queue=queue)
    wait_until(lambda: witness.waits(retried.id) == 1 and is_free(key))

    foreign = task.delay(key, gate=key)
    wait_until(lambda: witness.runs(key) == 2)
    app.control.add_consumer(queue)
    wait_until(lambda: witness.waits(retried.id) > 1)
    assert witness.runs(key) == 2
    witness.open(key)

    assert foreign.get(timeout=TIMEOUT) == f"{foreign.id} try 0"
    assert retried.get(timeout=TIMEOUT) == f"{retried.id} try 1"
    assert (witness.runs(key), witness.most_at_once(key)) == (3, 1)
    assert witness.noted(f"duplicates {key}") == []
