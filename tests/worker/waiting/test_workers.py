"""Calls that wait in other workers than the one whose run holds their lock."""

import pytest

from tests.waiting import wait_until
from tests.worker import tasks_waiting as tasks
from tests.worker.waiting.line import AT_ONCE, runs_at_once, waiting_in

pytestmark = pytest.mark.worker

SETTINGS = {"unique_lease": 600}

#: Pools of the two workers; a solo one takes no message while it runs a task.
PAIRS = [("prefork", "prefork"), ("prefork", "solo"), ("solo", "threads")]


@pytest.fixture(scope="module", params=PAIRS, ids="-".join)
def workers(request, start_module_worker):
    """Two workers, each with a queue of its own."""
    return [
        start_module_worker(
            pool=pool, settings=SETTINGS, options=("-Q", queue), concurrency=2
        )
        for queue, pool in zip(QUEUES[request.param], request.param)
    ]


QUEUES = {pair: [f"{'-'.join(pair)}-{n}" for n in (1, 2)] for pair in PAIRS}


@pytest.fixture
def queues(workers):
    return [worker.options[1] for worker in workers]


def test_one_starts_when_the_run_in_another_worker_ends(
    hold, line_up, queues, witness, key
):
    hold(tasks.EARLY, 0, queue=queues[0])
    others = [line_up(tasks.EARLY, n, queue=queues[1]) for n in (1, 2, 3)]

    witness.open(key)

    assert [other.get(timeout=AT_ONCE) for other in others] == [1, 2, 3]
    assert witness.most_at_once(key) == 1


def test_all_start_by_turns_wherever_they_wait(
    hold, line_up, workers, queues, witness, key
):
    if workers[0].pool == "solo":
        pytest.skip("nothing waits in it while it runs a task")
    hold(tasks.EARLY, 0, queue=queues[0])
    others = [line_up(tasks.EARLY, n, queue=queues[n % 2]) for n in range(1, 7)]
    wait_until(lambda: sum(waiting_in(one, tasks.EARLY, key) for one in workers) == 6)

    witness.open(key)

    assert [other.get(timeout=AT_ONCE) for other in others] == [1, 2, 3, 4, 5, 6]
    assert witness.noted(f"order {key}") == [str(n) for n in range(7)]


def test_a_value_is_handed_to_all_who_ask_for_it(hold, line_up, queues, witness, key):
    hold(tasks.CACHED, "value", queue=queues[0])
    others = [line_up(tasks.CACHED, n, queue=queues[1]) for n in range(10)]

    witness.open(key)

    assert [other.get(timeout=AT_ONCE) for other in others] == ["value"] * 10
    assert witness.runs(key) == 1


def test_without_remote_control_they_come_by_themselves(
    start_module_worker, hold, line_up, witness, key
):
    for queue in ("deaf-1", "deaf-2"):
        start_module_worker(
            settings={**SETTINGS, "worker_enable_remote_control": False},
            options=("-Q", queue),
        )
    hold(tasks.BRIEF, 0, queue="deaf-1")
    other = line_up(tasks.BRIEF, 1, queue="deaf-2")
    wait_until(lambda: witness.arrivals(other.id) > 1)

    witness.open(key)

    assert other.get(timeout=AT_ONCE) == 1
    runs_at_once(witness, key, 2)
