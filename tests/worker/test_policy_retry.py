"""The policy retry: a duplicate comes back later, and is the same task in all else."""

import pytest
from celery.exceptions import TaskRevokedError

from tests.waiting import wait_until
from tests.worker import tasks_policies as tasks
from tests.worker.every_option import every_option
from tests.worker.tasks import note
from unique_task import DuplicateTaskError

pytestmark = pytest.mark.worker

TIMEOUT = 20


@pytest.fixture(scope="module", autouse=True)
def worker(start_module_worker):
    return start_module_worker(concurrency=4, options=("-Q", "celery,other"))


@pytest.fixture
def holder(witness, key):
    """Another run of any task with `key` cannot begin until the gate is open."""

    def start(task):
        result = task.delay(key)
        wait_until(lambda: witness.runs(key) == 1)
        return result

    yield start
    witness.open(key)


@pytest.fixture
def waited(witness):
    """Call it with a result to return when its task has waited so often."""

    def wait(result, times=1):
        wait_until(lambda: witness.waits(result.id) >= times)

    return wait


def test_all_run_one_after_the_other(holder, waited, witness, key):
    task = tasks.EARLY["retry"]
    first = holder(task)
    others = [task.delay(key, number) for number in range(4)]
    for other in others:
        waited(other)

    witness.open(key)

    assert first.get(timeout=TIMEOUT) is None
    assert [other.get(timeout=TIMEOUT) for other in others] == [0, 1, 2, 3]
    assert (witness.runs(key), witness.most_at_once(key)) == (5, 1)


def test_a_duplicate_that_waits_shows_the_state_retry(holder, waited, key):
    holder(tasks.EARLY["retry"])

    duplicate = tasks.EARLY["retry"].delay(key)

    waited(duplicate)
    assert duplicate.state == "RETRY"


def test_a_wait_is_stored_before_the_message_that_ends_it_is_sent(
    holder, waited, witness, key
):
    # Stored after it, it can overwrite the outcome, and `.get()` waits for ever.
    holder(tasks.EARLY["retry"])

    duplicate = tasks.EARLY["retry"].delay(key)

    waited(duplicate, times=2)
    assert set(witness.noted(f"sent again {duplicate.id}")) == {"RETRY"}


def test_waits_do_not_spend_the_retries_of_the_task(holder, waited, witness, key):
    holder(tasks.retrying_twice)
    duplicate = tasks.retrying_twice.delay(key)
    waited(duplicate, times=4)

    witness.open(key)

    assert duplicate.get(timeout=TIMEOUT) == 2


def test_a_call_that_waited_looks_like_one_that_did_not(holder, waited, witness, key):
    holder(tasks.look)
    errback = note.si(f"errback {key}")
    options = {**every_option(key), "link_error": errback}
    free = f"free {key}"
    witness.open(free)
    expected = tasks.look.apply_async((free,), **options).get(timeout=TIMEOUT)
    duplicate = tasks.look.apply_async((key,), **options)
    waited(duplicate, times=2)

    witness.open(key)

    own = {"id": duplicate.id, "correlation_id": duplicate.id, "args": [key]}
    assert duplicate.get(timeout=TIMEOUT) == {**expected, **own}
    # Once for each of the two.
    wait_until(lambda: len(witness.noted(f"link {key}")) == 2)
    assert expected["headers"] == {"colour": "green"}
    assert (expected["priority"], expected["queue"]) == (3, "other")
    assert expected["timelimit"] == [100, 90]


def test_a_call_that_waited_and_fails_calls_its_errback(holder, waited, witness, key):
    holder(tasks.failing)
    duplicate = tasks.failing.apply_async(
        (key,), link_error=note.si(f"errback {key}", "called")
    )
    waited(duplicate)

    witness.open(key)

    with pytest.raises(ValueError, match=key):
        duplicate.get(timeout=TIMEOUT)
    wait_until(lambda: witness.noted(f"errback {key}") == ["called"])


def test_a_call_that_expires_while_it_waits_is_revoked(holder, witness, key):
    holder(tasks.EARLY["retry"])

    def expires_after_a_wait():
        duplicate = tasks.EARLY["retry"].apply_async([key], expires=0.8)
        with pytest.raises(TaskRevokedError, match="expired"):
            duplicate.get(timeout=TIMEOUT)
        return witness.waits(duplicate.id)

    # On a busy machine one may expire before it is there for the first time.
    wait_until(expires_after_a_wait)
    assert witness.runs(key) == 1


def test_a_timeout_ends_the_waiting_with_an_error(holder, witness, key):
    first = holder(tasks.giving_up)

    duplicate = tasks.giving_up.delay(key)

    with pytest.raises(DuplicateTaskError) as caught:
        duplicate.get(timeout=TIMEOUT)
    assert caught.value.owner == first.id
    wait_until(lambda: "FAILURE" in witness.states(duplicate.id))
    assert witness.waits(duplicate.id)
    assert witness.runs(key) == 1
