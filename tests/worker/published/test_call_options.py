"""What one call says of its guard reaches the worker, and its retries."""

import pytest

from tests.waiting import wait_until
from tests.worker.conftest import redis_only
from tests.worker.published.locks import held, held_as
from tests.worker.tasks_published import GUARDED_BY, LEAVING

pytestmark = [
    pytest.mark.worker,
    pytest.mark.usefixtures("worker"),
    redis_only,
]

TIMEOUT = 20

TASK = GUARDED_BY["until_executed", "ignore"]
AT_START = GUARDED_BY["while_executing", "raise"]
UNTIL_EXECUTED = {"lock": "until_executed"}


def test_a_key_of_ones_own_is_locked_in_place_of_the_arguments(run, shelf, key):
    own = f"own {key}"

    first = shelf.put(TASK, key, unique_key=own)
    shelf.deliver()

    run()
    assert held_as(TASK, own).record.owner == first.id
    assert not held(TASK, key)
    assert shelf.put(TASK, "other", unique_key=own).duplicate


def test_equal_calls_with_keys_of_their_own_run_at_once(run, witness, key):
    for number in range(2):
        TASK.apply_async((key,), unique_key=[key, number])

    run(2)
    assert witness.most_at_once(key) == 2


def test_calls_with_one_key_of_their_own_meet_when_they_run(run, witness, key):
    own = {"unique_key": f"own {key}", "unique": {"on_duplicate": "skip"}}
    AT_START.apply_async((key,), **own)
    run()

    assert AT_START.apply_async(("other", 1), **own).get(timeout=TIMEOUT) is None


@pytest.mark.parametrize("by_name", [False, True])
def test_a_call_that_is_not_to_be_unique_runs_beside_others(
    stranger, run, witness, key, by_name
):
    TASK.delay(key)
    run()

    if by_name:
        stranger.send_task(TASK.name, (key,), unique=False)
    else:
        TASK.apply_async((key,), unique=False)

    run(2)
    assert witness.most_at_once(key) == 2


def test_a_call_that_is_not_to_be_unique_takes_no_lock(run, key):
    TASK.apply_async((key,), unique=False)
    run()

    assert not held(TASK, key)


def test_a_lock_type_for_one_call_holds_from_publish_to_the_end(
    run, shelf, witness, key
):
    call = {"unique": UNTIL_EXECUTED}
    result = shelf.put(AT_START, key, 1, **call)
    assert held(AT_START, key).record.state == "pending"
    shelf.deliver()
    run()
    assert held(AT_START, key).record.state == "running"

    witness.open(key)

    assert result.get(timeout=TIMEOUT) == 1
    wait_until(lambda: not held(AT_START, key))


@pytest.mark.parametrize("by_name", [False, True])
def test_a_policy_for_one_call_holds_at_run(stranger, run, key, by_name):
    AT_START.delay(key)
    run()

    said = {"unique": {"on_duplicate": "skip"}}
    send = stranger.send_task if by_name else AT_START.app.send_task
    duplicate = send(AT_START.name, (key, 1), **said)

    assert duplicate.get(timeout=TIMEOUT) is None


@pytest.mark.parametrize("how", ["retry", "autoretry"])
def test_a_retry_keeps_the_lock_and_what_the_call_says(
    shelf, retries, witness, run, key, how
):
    task, own = LEAVING["while_executing", False], f"own {key}"
    witness.open(f"{key} 0")
    said = {"unique": UNTIL_EXECUTED, "unique_key": own}
    result = shelf.put(task, key, how, **said)
    shelf.deliver()
    wait_until(lambda: witness.states(result.id) == ["RETRY"])

    lock = held_as(task, own)
    assert (lock.record.owner, lock.record.state) == (result.id, "pending")
    assert shelf.put(task, key, **said).duplicate

    retries.deliver()
    run(2)
    assert held_as(task, own).record.state == "running"
    witness.open(f"{key} 1")
    assert result.get(timeout=TIMEOUT) == "try 1"
    wait_until(lambda: not held_as(task, own))
