"""until_and_while_executing: who marks something during a run has it seen by the next.

One call runs, one waits for its turn, and all others are dropped: what is marked before
a call that is dropped is seen by the one that waits.
"""

from concurrent.futures import ThreadPoolExecutor

import celery
import pytest

from tests.waiting import wait_until
from tests.worker.published.locks import held
from tests.worker.tasks_published import catch_up
from tests.worker.witness import Witness

pytestmark = [pytest.mark.worker, pytest.mark.usefixtures("worker")]

MARKS = 60
WRITERS = 3


@pytest.fixture
def mark(witness, key):
    """Call it to mark something and ask for a run; tell whether that was dropped."""

    def mark():
        witness.note(f"marks {key}")
        return catch_up.delay(key)

    yield mark
    witness.open(key)


@pytest.fixture
def wait_until_idle(witness, key):
    def wait():
        wait_until(lambda: not held(catch_up, key), timeout=30)
        # The lock of one that waits for its turn may have been handed on just then.
        witness.wait_until_idle()
        wait_until(lambda: not held(catch_up, key), timeout=30)

    return wait


def seen(witness: Witness, key: str) -> int:
    """How many marks a run has seen."""
    return max(map(int, witness.noted(f"seen {key}")))


def test_what_is_marked_while_a_task_runs_is_seen_by_the_one_that_waits(
    mark, wait_until_idle, witness, run, key
):
    mark()
    run()

    results = [mark() for _ in range(5)]

    assert [result.duplicate for result in results] == [False] + 4 * [True]
    assert {result.id for result in results} == {results[0].id}
    witness.open(key)
    results[0].get(timeout=20)
    wait_until_idle()
    assert seen(witness, key) == 6
    assert (witness.runs(key), witness.most_at_once(key)) == (2, 1)


def test_one_that_waits_keeps_its_place_while_it_comes_back(mark, witness, run, key):
    mark()
    run()
    waiting = mark()

    wait_until(lambda: witness.waits(waiting.id) >= 3)

    assert mark().id == waiting.id
    assert witness.runs(key) == 1


def test_no_mark_is_left_unseen_however_the_writers_race_with_the_runs(
    mark, wait_until_idle, witness, key
):
    witness.open(key)

    with ThreadPoolExecutor(WRITERS) as threads:
        # Celery 5.3 leaves the connections of threads open.
        calls = threads.map if celery.VERSION >= (5, 4) else map
        results = list(calls(lambda _: mark(), range(MARKS)))
    sent = [result for result in results if not result.duplicate]

    for result in sent:
        result.get(timeout=30)
    wait_until_idle()
    assert seen(witness, key) == MARKS
    assert witness.runs(key) == len(sent)
    assert witness.most_at_once(key) == 1
