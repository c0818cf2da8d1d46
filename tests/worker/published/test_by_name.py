"""What is sent by name, without a lock: the worker takes it, and meets duplicates."""

import pytest
from celery.exceptions import TaskRevokedError

from tests.waiting import wait_until
from tests.worker.conftest import redis_only
from tests.worker.published.locks import held
from tests.worker.tasks_published import AT_PUBLISH, GUARDED_BY, computed
from unique_task import DuplicateTaskError

pytestmark = [
    pytest.mark.worker,
    pytest.mark.usefixtures("worker"),
    redis_only,
]

TIMEOUT = 20

#: Each lock type, and a call that has its lock.
each_holder = pytest.mark.parametrize(
    "lock, state",
    [
        ("until_executing", "pending"),
        ("until_executed", "pending"),
        ("until_executed", "running"),
        ("until_expired", "pending"),
        ("until_expired", "running"),
    ],
)


@pytest.mark.parametrize("lock", AT_PUBLISH)
def test_a_lock_is_taken_when_the_task_starts(stranger, shelf, run, key, lock):
    task = GUARDED_BY[lock, "ignore"]
    stranger.send_task(task.name, (key,), queue=shelf.name)
    assert not held(task, key)

    shelf.deliver()

    run()
    assert bool(held(task, key)) is (lock != "until_executing")


@pytest.mark.parametrize("lock", AT_PUBLISH)
def test_a_lock_is_free_when_it_should_be(stranger, witness, run, key, lock):
    task = GUARDED_BY[lock, "ignore"]
    witness.open(key)

    result = stranger.send_task(task.name, (key, 1))

    assert result.get(timeout=TIMEOUT) == 1
    wait_until(lambda: witness.states(result.id))
    assert bool(held(task, key)) is (lock == "until_expired")


@pytest.fixture
def holder(shelf, run, key):
    """Call it to have the key of a task held by a call that is pending, or running."""

    def start(task, state):
        result = shelf.put(task, key)
        if state == "running":
            shelf.deliver()
            run()
        return result

    return start


@each_holder
def test_a_duplicate_follows_the_policy_ignore(stranger, holder, key, lock, state):
    task = GUARDED_BY[lock, "ignore"]
    first = holder(task, state)

    duplicate = stranger.send_task(task.name, (key,))

    with pytest.raises(TaskRevokedError, match=f"duplicate of {first.id}"):
        duplicate.get(timeout=TIMEOUT)


@each_holder
def test_a_duplicate_follows_the_policy_skip(stranger, holder, key, lock, state):
    task = GUARDED_BY[lock, "skip"]
    holder(task, state)

    assert stranger.send_task(task.name, (key, 1)).get(timeout=TIMEOUT) is None


@each_holder
def test_a_duplicate_follows_the_policy_raise(stranger, holder, key, lock, state):
    task = GUARDED_BY[lock, "raise"]
    first = holder(task, state)

    duplicate = stranger.send_task(task.name, (key,))

    with pytest.raises(DuplicateTaskError) as caught:
        duplicate.get(timeout=TIMEOUT)
    assert caught.value.owner == first.id


@pytest.mark.parametrize("lock", ["until_executed", "until_and_while_executing"])
def test_a_duplicate_follows_the_policy_retry(stranger, shelf, witness, run, key, lock):
    task = GUARDED_BY[lock, "retry"]
    shelf.put(task, key, 1)
    shelf.deliver()
    run()
    duplicate = stranger.send_task(task.name, (key, 2))
    wait_until(lambda: witness.waits(duplicate.id))

    witness.open(key)

    assert duplicate.get(timeout=TIMEOUT) == 2
    assert (witness.runs(key), witness.most_at_once(key)) == (2, 1)


def test_the_worker_does_not_compute_a_key_that_came_with_the_message(witness, key):
    computed.delay(key).get(timeout=TIMEOUT)

    assert witness.noted(f"keys {key}") == []


def test_the_worker_computes_the_key_of_what_is_sent_by_name(stranger, witness, key):
    stranger.send_task(computed.name, (key,)).get(timeout=TIMEOUT)

    assert len(witness.noted(f"keys {key}")) == 1
