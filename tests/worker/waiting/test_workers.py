"""Calls that wait in other workers than the one whose run holds their lock."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest

from tests.waiting import wait_until
from tests.worker import tasks_waiting as tasks
from tests.worker.app import app
from tests.worker.waiting.line import AT_ONCE, runs_at_once, waiting_in
from tests.worker.worker_process import WorkerProcess
from unique_task.backends.record import Record, Token
from unique_task.backends.steps import Acquired
from unique_task.options.app_settings import backend_of, settings_of
from unique_task.options.guarded_class import GUARDED

pytestmark = pytest.mark.worker

SETTINGS = {"unique_lease": 600}

#: Pools of the two workers; a solo one takes no message while it runs a task.
PAIRS = [("prefork", "prefork"), ("solo", "solo")]


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
    others = [tasks.CACHED.apply_async((key, n), queue=queues[1]) for n in range(40)]
    for other in others:
        wait_until(lambda: witness.waits(other.id))

    witness.open(key)

    # One after another, each after its own pause, would take longer.
    assert [other.get(timeout=AT_ONCE) for other in others] == ["value"] * 40
    assert witness.runs(key) == 1


@contextmanager
def held_by_nobody(task: Any, key: str, worker: WorkerProcess) -> Iterator[None]:
    """Hold a lock as a task would that ran in a worker of the same name."""
    store = backend_of(app, settings_of(app))
    digest = getattr(task, GUARDED).spec.digest(task, (key,), {})
    record = Record(Token.of_attempt(uuid4().hex), task.name, worker.name)
    assert isinstance(store.acquire(digest, record, 600), Acquired)
    yield
    assert store.release(digest, record.token)


@pytest.mark.parametrize("where", [0, 1], ids=["here", "elsewhere"])
def test_for_a_holder_that_runs_nowhere_nobody_asks_all_the_time(
    workers, line_up, queues, witness, key, where
):
    """As when its worker has died, and another one has the same name now."""
    witness.open(key)
    with held_by_nobody(tasks.BRIEF, key, workers[where]):
        others = [line_up(tasks.BRIEF, n, queue=queues[0]) for n in (1, 2, 3)]
        late = time.monotonic() + tasks.SHORT_PAUSE - 1
        # For what must not happen meanwhile, there is no condition.
        wait_until(lambda: time.monotonic() > late)

        # Each has come once, and one of them once more because nobody runs.
        assert sum(witness.arrivals(other.id) for other in others) < 8
    assert {other.get(timeout=AT_ONCE) for other in others} == {1, 2, 3}


def test_without_remote_control_they_come_by_themselves(
    start_module_worker, hold, line_up, witness, key
):
    deaf = {**SETTINGS, "worker_enable_remote_control": False}
    with ThreadPoolExecutor() as threads:
        for queue in ("deaf-1", "deaf-2"):
            options = ("-Q", queue)
            threads.submit(start_module_worker, settings=deaf, options=options)
    hold(tasks.BRIEF, 0, queue="deaf-1")
    other = line_up(tasks.BRIEF, 1, queue="deaf-2")
    wait_until(lambda: witness.arrivals(other.id) > 1)

    witness.open(key)

    assert other.get(timeout=AT_ONCE) == 1
    runs_at_once(witness, key, 2)
