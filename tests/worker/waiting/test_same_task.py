"""A call that was started when its lock was free is the same task in all else."""

from typing import Any

import pytest
from celery import chain, chord, group

from tests.waiting import wait_until
from tests.worker import tasks_waiting as tasks
from tests.worker.every_option import every_option
from tests.worker.tasks import collect
from tests.worker.waiting.line import AT_ONCE, runs_at_once, wait_until_waiting

pytestmark = pytest.mark.worker


@pytest.fixture(scope="module", autouse=True)
def worker(start_module_worker):
    return start_module_worker(
        concurrency=4,
        options=("-Q", "celery,other"),
        settings={"unique_lease": 600},
    )


@pytest.fixture
def waited(witness):
    """Call it with the id of a call, to return when that waits."""
    return lambda task_id: wait_until(lambda: witness.waits(task_id))


def test_it_looks_like_one_that_did_not_wait(hold, line_up, witness, key):
    hold(tasks.look_in_line)
    options = every_option(key)
    free = f"free {key}"
    witness.open(free)
    expected = tasks.look_in_line.apply_async((free,), **options).get(timeout=AT_ONCE)
    duplicate = line_up(tasks.look_in_line, **options)

    witness.open(key)

    own = {"id": duplicate.id, "correlation_id": duplicate.id, "args": [key]}
    assert duplicate.get(timeout=AT_ONCE) == {**expected, **own}
    # Once for each of the two.
    wait_until(lambda: len(witness.noted(f"link {key}")) == 2)
    assert (expected["priority"], expected["queue"]) == (3, "other")
    assert expected["headers"] == {"colour": "green"}


def test_a_chain_goes_on(hold, waited, witness, key):
    hold(tasks.EARLY)
    first, second = tasks.EARLY.si(key, 1), tasks.EARLY.si(key, 2)
    result: Any = chain(first, second, collect.s()).apply_async()
    waited(result.parent.parent.id)

    witness.open(key)

    assert result.get(timeout=AT_ONCE) == 2


def test_a_chord_has_the_values_of_all(hold, waited, witness, key):
    hold(tasks.EARLY)
    header = group(tasks.EARLY.si(key, number) for number in range(3))
    result: Any = chord(header)(collect.s())
    for part in result.parent.results:
        waited(part.id)

    witness.open(key)

    assert result.get(timeout=AT_ONCE) == [0, 1, 2]


@pytest.mark.parametrize("task", [tasks.LATE, tasks.ONCE_MORE, tasks.EXECUTED])
def test_other_ways_to_hold_a_lock(hold, waited, witness, key, task):
    hold(task, 0)
    # As a part of a canvas, it is sent whatever holds its key.
    other: Any = chain(task.si(key, 1), collect.s()).apply_async()
    waited(other.parent.id)

    witness.open(key)

    assert other.get(timeout=AT_ONCE) == 1
    assert witness.most_at_once(key) == 1


def test_a_call_that_is_published_to_wait_starts_at_once(hold, worker, witness, key):
    hold(tasks.PUBLISHED, 0)
    other = tasks.PUBLISHED.delay(key, 1)
    wait_until_waiting(worker, tasks.PUBLISHED, key, 1)

    witness.open(key)

    assert other.get(timeout=AT_ONCE) == 1
    # It was not refused before.
    assert witness.arrivals(other.id) == 1


def test_tasks_of_one_namespace_wait_for_each_other(hold, line_up, witness, key):
    hold(tasks.EARLY, "one")
    line_up(tasks.LATE, "other")

    witness.open(key)

    runs_at_once(witness, key, 2)
    assert witness.noted(f"order {key}") == ["one", "other"]


def test_all_who_ask_for_one_value_have_it_at_once(hold, witness, waited, key):
    hold(tasks.CACHED, "value")
    others = [tasks.CACHED.delay(key, number) for number in range(30)]
    for other in others:
        waited(other.id)

    witness.open(key)

    assert [other.get(timeout=AT_ONCE) for other in others] == ["value"] * 30
    assert witness.runs(key) == 1


def test_while_runs_fail_those_who_ask_lead_one_at_a_time(hold, witness, waited, key):
    hold(tasks.caching_in_line, 2)
    others = [tasks.caching_in_line.delay(key, 2) for _ in range(4)]
    for other in others:
        waited(other.id)

    witness.open(key)

    values = [other.get(timeout=AT_ONCE, propagate=False) for other in others]
    assert [type(value) for value in values].count(ValueError) == 1
    assert values.count(3) == 3
    assert (witness.runs(key), witness.most_at_once(key)) == (3, 1)
