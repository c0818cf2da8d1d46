"""Real workers run as many of a key at once as its limit says, and no more."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from billiard.exceptions import WorkerLostError

from tests.waiting import wait_until
from tests.worker import tasks_several as tasks
from tests.worker.conftest import starter
from unique_task import DuplicateTaskError

pytestmark = pytest.mark.worker

TIMEOUT = 60
KEYS = 2
CALLS = 20

#: So long that what becomes free was freed. A worker that is busy fetches nothing.
SETTINGS = {"unique_lease": 600, "worker_prefetch_multiplier": 1}


@pytest.fixture(
    scope="module", params=["prefork", "threads", "gevent", "solo"], autouse=True
)
def workers(request, module_urls, tmp_path_factory):
    """Slots for more than may run at once."""
    pool = request.param
    count, concurrency = (4, 1) if pool == "solo" else (2, 4)
    options = {"pool": pool, "concurrency": concurrency, "settings": SETTINGS}
    with starter(tmp_path_factory.mktemp(pool), module_urls) as start:
        with ThreadPoolExecutor() as threads:
            starts = [threads.submit(start, **options) for _ in range(count)]
        yield [each.result() for each in starts]


@pytest.mark.parametrize("lock", tasks.LIMITED)
def test_no_more_run_at_once_than_the_limit_says(witness, lock):
    keys = [f"{lock} {uuid4().hex}" for _ in range(KEYS)]

    results = [tasks.SHORT[lock].delay(key) for _ in range(CALLS) for key in keys]

    sent = [result for result in results if not result.duplicate]
    wait_until(lambda: all(result.ready() for result in sent), TIMEOUT)
    assert {result.state for result in sent} == {"SUCCESS"}
    assert sum(map(witness.runs, keys)) == len(sent)
    if lock == "while_executing":
        assert len(sent) == len(results)
    most = [witness.most_at_once(key) for key in keys]
    assert max(most) <= tasks.LIMIT
    # One that waits in the queue may keep a second one from being sent.
    assert lock == "until_and_while_executing" or max(most) == tasks.LIMIT


def test_a_callable_gives_each_key_its_limit(witness):
    keys = [f"{limit} {uuid4().hex}" for limit in (1, 3)]

    results = [tasks.run_by_key.delay(key) for _ in range(CALLS) for key in keys]

    wait_until(lambda: all(result.ready() for result in results), TIMEOUT)
    one, three = map(witness.most_at_once, keys)
    assert one == 1
    assert 1 < three <= 3
    assert [witness.runs(key) for key in keys] == [CALLS, CALLS]


@pytest.mark.parametrize("lock", ["while_executing", "until_executed"])
def test_a_call_may_ask_for_another_limit(workers, witness, key, lock):
    task = tasks.LONG[lock]
    held = [task.delay(key) for _ in range(tasks.LIMIT)]
    wait_until(lambda: witness.runs(key) == tasks.LIMIT)

    with pytest.raises(DuplicateTaskError):
        task.delay(key).get(timeout=TIMEOUT)
    third = task.apply_async([key], unique={"limit": 3})
    wait_until(lambda: witness.runs(key) == 3)
    with pytest.raises(DuplicateTaskError):
        task.apply_async([key], unique={"limit": 3}).get(timeout=TIMEOUT)

    witness.open(key)
    for result in (*held, third):
        result.get(timeout=TIMEOUT)


def test_a_killed_child_frees_its_place_and_no_other(workers, witness, key):
    if workers[0].pool != "prefork":
        pytest.skip("only prefork has children")
    gates = [f"{number} {key}" for number in range(3)]
    first, second = (tasks.run_or_wait.delay(key, gate) for gate in gates[:2])
    wait_until(lambda: witness.runs(key) == 2)
    third = tasks.run_or_wait.delay(key, gates[2])
    wait_until(lambda: third.state == "RETRY")

    os.kill(int(witness.noted(f"pids {key}")[0]), signal.SIGKILL)
    witness.ended("killed", "None")  # nobody else says so

    wait_until(lambda: witness.runs(key) == 3, TIMEOUT)
    fourth = tasks.run_or_wait.delay(key, gates[2])
    wait_until(lambda: fourth.state == "RETRY")
    assert witness.runs(key) == 3
    for gate in gates:
        witness.open(gate)
    assert third.get(timeout=TIMEOUT) == fourth.get(timeout=TIMEOUT) == gates[2]
    died = [result.get(timeout=TIMEOUT, propagate=False) for result in (first, second)]
    assert [isinstance(value, WorkerLostError) for value in died].count(True) == 1


def test_a_retry_keeps_its_place(witness, key):
    gates = [f"{number} {key}" for number in range(2)]
    task: Any = tasks.retry_at_gate

    held = [task.delay(key, gate) for gate in gates]

    assert [result.duplicate for result in held] == [False, False]
    while len(witness.noted(f"tries {key}")) < 2:
        assert task.delay(key, "none").duplicate
    witness.open(gates[0])
    assert held[0].get(timeout=TIMEOUT) == 2
    after = wait_until(lambda: _unless_duplicate(task.delay(key, gates[0])))
    assert task.delay(key, "none").duplicate
    witness.open(gates[1])
    assert held[1].get(timeout=TIMEOUT) == after.get(timeout=TIMEOUT) == 2


def _unless_duplicate(result: Any) -> Any:
    return None if result.duplicate else result


def test_a_window_has_so_many_places(witness, key):
    task: Any = tasks.ask
    results = [task.delay(key) for _ in range(6)]

    assert [result.duplicate for result in results] == [False] * 3 + [True] * 3
    for result in results[:3]:
        result.get(timeout=TIMEOUT)
    assert task.delay(key).duplicate
    assert witness.runs(key) == 3


def test_so_many_run_at_once_and_one_waits(workers, witness, key):
    task = tasks.LONG["until_and_while_executing"]
    policy = {"on_duplicate": {"publish": "ignore", "run": "retry"}}
    running = []
    for number in range(1, tasks.LIMIT + 1):
        running.append(task.apply_async([key], unique=policy))
        wait_until(lambda: witness.runs(key) == number)

    waiting = task.apply_async([key], unique=policy)
    dropped = task.apply_async([key], unique=policy)

    assert (waiting.duplicate, dropped.duplicate) == (False, True)
    assert dropped.id == waiting.id
    assert witness.runs(key) == tasks.LIMIT
    witness.open(key)
    for result in (*running, waiting):
        result.get(timeout=TIMEOUT)
    assert witness.runs(key) == tasks.LIMIT + 1
