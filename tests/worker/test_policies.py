"""What each policy makes of a duplicate; retry and cached have files of their own."""

import pytest
from celery.exceptions import TaskRevokedError

from tests.waiting import wait_until
from tests.worker import tasks_policies as tasks
from unique_task import DuplicateTaskError

pytestmark = pytest.mark.worker

TIMEOUT = 20


@pytest.fixture(scope="module", autouse=True)
def worker(start_module_worker):
    return start_module_worker(concurrency=4)


@pytest.fixture
def running(witness, key):
    """Call it with a task for the result of a run that lasts until the gate opens."""

    def start(task, *args):
        result = task.delay(key, *args)
        wait_until(lambda: witness.runs(key) == 1)
        return result

    yield start
    witness.open(key)


def test_ignore_revokes_the_duplicate_and_says_of_whom(running, witness, key):
    leader = running(tasks.EARLY["ignore"])

    duplicate = tasks.EARLY["ignore"].delay(key)

    with pytest.raises(TaskRevokedError, match=f"duplicate of {leader.id}"):
        duplicate.get(timeout=TIMEOUT)
    assert duplicate.state == "REVOKED"
    witness.open(key)
    assert leader.get(timeout=TIMEOUT) is None
    assert witness.runs(key) == 1


def test_a_call_after_the_run_is_no_duplicate(witness, key):
    witness.open(key)

    assert tasks.EARLY["ignore"].delay(key, 1).get(timeout=TIMEOUT) == 1
    assert tasks.EARLY["ignore"].delay(key, 2).get(timeout=TIMEOUT) == 2


def test_another_key_is_no_duplicate(running, witness, key):
    running(tasks.EARLY["ignore"])
    witness.open(f"not {key}")

    assert tasks.EARLY["ignore"].delay(f"not {key}", 1).get(timeout=TIMEOUT) == 1


def test_skip_succeeds_with_none(running, witness, key):
    leader = running(tasks.EARLY["skip"], 1)

    assert tasks.EARLY["skip"].delay(key, 2).get(timeout=TIMEOUT) is None

    witness.open(key)
    assert leader.get(timeout=TIMEOUT) == 1
    assert witness.runs(key) == 1


def test_skip_succeeds_with_its_value(running, witness, key):
    running(tasks.skipping)

    assert tasks.skipping.delay(key).get(timeout=TIMEOUT) == "skipped"
    assert witness.runs(key) == 1


def test_raise_fails_and_tells_key_owner_and_remaining(running, witness, key):
    leader = running(tasks.EARLY["raise"])

    with pytest.raises(DuplicateTaskError) as caught:
        tasks.EARLY["raise"].delay(key).get(timeout=TIMEOUT)

    assert caught.value.owner == leader.id
    assert len(caught.value.key) == 32
    assert 0 < (caught.value.remaining or 0) <= 15
    assert witness.runs(key) == 1


@pytest.mark.parametrize(
    "task", [tasks.raising_in_autoretry, tasks.raising_in_choosy_autoretry]
)
def test_raise_is_not_retried_by_autoretry(running, witness, key, task):
    leader = running(task)

    duplicate = task.delay(key)

    with pytest.raises(DuplicateTaskError, match=leader.id):
        duplicate.get(timeout=TIMEOUT)
    wait_until(lambda: witness.states(duplicate.id))
    assert witness.states(duplicate.id) == ["FAILURE"]


def test_what_a_policy_of_ones_own_returns_is_the_result(running, key):
    leader = running(tasks.answering)

    assert tasks.answering.delay(key).get(timeout=TIMEOUT) == [leader.id, key, True]


def test_what_a_policy_of_ones_own_raises_is_the_failure(running, key):
    leader = running(tasks.answering)

    with pytest.raises(LookupError, match=f"{leader.id} holds it"):
        tasks.answering.delay(key, fail=True).get(timeout=TIMEOUT)


@pytest.mark.parametrize(
    "policy, state",
    [
        ("ignore", "IGNORED"),
        ("skip", "SUCCESS"),
        ("raise", "FAILURE"),
        ("retry", "SUCCESS"),
        ("cached", "SUCCESS"),
    ],
)
def test_nothing_is_stored_of_a_duplicate_whose_result_is_ignored(
    running, witness, key, policy, state
):
    leader = running(tasks.QUIET[policy])

    duplicate = tasks.QUIET[policy].delay(key)

    wait_until(lambda: witness.states(duplicate.id))
    witness.open(key)
    wait_until(lambda: witness.states(leader.id) == ["SUCCESS"])
    wait_until(lambda: witness.states(duplicate.id)[-1] == state)
    # The result object of such a call would not ask.
    meta = duplicate.backend.get_task_meta(duplicate.id, cache=False)
    assert (meta["status"], meta["result"]) == ("PENDING", None)
    assert witness.runs(key) == (2 if policy == "retry" else 1)


@pytest.mark.parametrize("policy", ["ignore", "skip", "raise", "cached", "retry"])
def test_the_worker_logs_a_duplicate_once(running, witness, worker, key, policy):
    leader = running(tasks.EARLY[policy])

    duplicate = tasks.EARLY[policy].delay(key)

    line = f"[{duplicate.id}] is a duplicate of {leader.id}"
    worker.wait_for_log(line)
    witness.open(key)
    wait_until(duplicate.ready)
    assert worker.log.count(line) == 1
    assert witness.noted(f"duplicates {key}") == [duplicate.id]
