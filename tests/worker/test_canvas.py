"""Equal members of groups, chords and chains: nobody waits for ever for a duplicate."""

from typing import Any

import pytest
from celery import chain, chord, group
from celery.exceptions import ChordError, TaskRevokedError

from tests.waiting import wait_until
from tests.worker.tasks import collect, note
from tests.worker.tasks_policies import EARLY, LATE
from tests.worker.tasks_pools import store_slowly_late
from unique_task import DuplicateTaskError

pytestmark = pytest.mark.worker

TIMEOUT = 20

BOTH = pytest.mark.parametrize("tasks", [EARLY, LATE], ids=["early", "late"])

#: What the duplicate of a member that returns 1 returns.
VALUES = {"skip": None, "cached": 1, "retry": 1}
ERRORS = {"ignore": TaskRevokedError, "raise": DuplicateTaskError}


@pytest.fixture(scope="module", autouse=True)
def worker(start_module_worker):
    return start_module_worker(concurrency=4)


@pytest.fixture
def send(witness, key):
    """Send a canvas of which two members meet; one of them runs on after that."""

    def send(canvas):
        result = canvas.apply_async()
        wait_until(lambda: witness.noted(f"duplicates {key}"))
        witness.open(key)
        return result

    yield send
    witness.open(key)


def in_any_order(values: list[Any]) -> list[Any]:
    return sorted(values, key=str)


@BOTH
@pytest.mark.parametrize("policy", VALUES)
def test_a_group_finishes(send, key, tasks, policy):
    member = tasks[policy].si(key, 1)

    result = send(group(member, member))

    assert in_any_order(result.get(timeout=TIMEOUT)) == [1, VALUES[policy]]


@BOTH
@pytest.mark.parametrize("policy", ERRORS)
def test_a_group_raises_of_its_duplicate(send, key, tasks, policy):
    member = tasks[policy].si(key, 1)

    result = send(group(member, member))

    with pytest.raises(ERRORS[policy]):
        result.get(timeout=TIMEOUT)
    wait_until(result.ready)
    assert result.completed_count() == 1


@BOTH
@pytest.mark.parametrize("policy", VALUES)
def test_a_chord_finishes(send, key, tasks, policy):
    member = tasks[policy].si(key, 1)

    result = send(chord([member, member], collect.s()))

    assert in_any_order(result.get(timeout=TIMEOUT)) == [1, VALUES[policy]]


@BOTH
@pytest.mark.parametrize("policy", ERRORS)
def test_a_chord_fails_and_calls_its_errback(send, witness, key, tasks, policy):
    member = tasks[policy].si(key, 1)
    body = collect.s().on_error(note.si(f"errback {key}", "called"))

    result = send(chord([member, member], body))

    wait_until(result.ready)
    # `.get()` would raise the error of the header's result.
    assert isinstance(result.result, ChordError)
    wait_until(lambda: witness.noted(f"errback {key}") == ["called"])


@BOTH
@pytest.mark.parametrize("policy", VALUES)
def test_a_chord_of_chains_finishes(send, key, tasks, policy):
    header = [chain(tasks[policy].si(key, 1), collect.s()) for _ in range(2)]

    result = send(chord(header, collect.s()))

    assert in_any_order(result.get(timeout=TIMEOUT)) == [1, VALUES[policy]]


@BOTH
@pytest.mark.parametrize("policy", ERRORS)
def test_a_chord_of_chains_fails(send, key, tasks, policy):
    header = [chain(tasks[policy].si(key, 1), collect.s()) for _ in range(2)]

    result = send(chord(header, collect.s()))

    wait_until(result.ready)
    # `.get()` would raise the error of the header's result.
    assert isinstance(result.result, ChordError)


@pytest.fixture
def beside_a_run(witness, key):
    """Send a chain that begins with a duplicate, and let that wait if it does."""

    def send(policy, canvas):
        EARLY[policy].delay(key, 1)
        wait_until(lambda: witness.runs(key) == 1)
        result = canvas.apply_async()
        wait_until(lambda: witness.noted(f"duplicates {key}"))
        witness.open(key)
        return result

    yield send
    witness.open(key)


@pytest.mark.parametrize("policy", VALUES)
def test_a_chain_goes_on_after_a_duplicate(beside_a_run, key, policy):
    result = beside_a_run(policy, EARLY[policy].si(key, 1) | collect.s() | collect.s())

    assert result.get(timeout=TIMEOUT) == VALUES[policy]


@pytest.mark.parametrize("policy", ERRORS)
def test_a_chain_ends_with_a_duplicate(beside_a_run, key, policy):
    result = beside_a_run(policy, EARLY[policy].si(key, 1) | collect.s() | collect.s())

    with pytest.raises(ERRORS[policy]):
        result.get(timeout=TIMEOUT)


@BOTH
@pytest.mark.parametrize("policy", EARLY)
def test_equal_members_of_a_chain_follow_each_other(witness, key, tasks, policy):
    witness.open(key)
    member = tasks[policy]

    result = chain(*(member.si(key, n) for n in range(3))).apply_async()

    # What was cached of the one before is fresh for the next, like for any other call.
    assert result.get(timeout=TIMEOUT) == (0 if policy == "cached" else 2)
    assert witness.runs(key) == (1 if policy == "cached" else 3)
    assert witness.most_at_once(key) == 1


def test_the_next_in_a_chain_runs_while_the_outcome_before_is_being_stored(
    witness, key
):
    member = store_slowly_late.si(key)

    second: Any = chain(member, member).apply_async()

    # The first has sent it with its lock free, and keeps only its own second delivery.
    wait_until(lambda: witness.noted("storing").count(key) == 2)
    assert second.parent.state == "PENDING"
    witness.open(key)
    assert second.get(timeout=TIMEOUT) == "stored"
    # They are stored at one time, and either may be the first.
    wait_until(lambda: second.parent.state == "SUCCESS")


@BOTH
@pytest.mark.parametrize("policy", EARLY)
def test_a_task_can_be_linked_to_itself(witness, key, tasks, policy):
    witness.open(key)
    member = tasks[policy]

    result = member.apply_async([key, 1], link=member.si(key, 2))

    assert result.get(timeout=TIMEOUT) == 1
    [linked] = wait_until(lambda: result.children)
    assert linked.get(timeout=TIMEOUT) == (1 if policy == "cached" else 2)
