"""Calls that wait for a lock in one worker: who is next, and who is not."""

import time
from datetime import datetime, timezone
from typing import Any

import pytest
from celery.exceptions import TaskRevokedError

from tests.waiting import wait_until
from tests.worker import tasks_waiting as tasks
from tests.worker.app import app
from tests.worker.tasks_several import two_in_line
from tests.worker.waiting.line import (
    AT_ONCE,
    ask,
    runs_at_once,
    wait_until_waiting,
    waiting_in,
)
from tests.worker.worker_process import WorkerProcess
from unique_task import DuplicateTaskError

pytestmark = pytest.mark.worker


@pytest.fixture(scope="module", autouse=True)
def worker(start_module_worker):
    return start_module_worker(concurrency=4, settings={"unique_lease": 600})


def revoke(worker: WorkerProcess, result: Any) -> None:
    told = app.control.revoke(
        result.id, reply=True, timeout=10, limit=1, destination=[worker.name]
    )
    assert told, "the worker has not heard"


def test_they_run_in_the_order_in_which_they_came(hold, line_up, witness, key):
    first = hold(tasks.EARLY, 0)
    others = [line_up(tasks.EARLY, number) for number in range(1, 6)]

    witness.open(key)

    values = [result.get(timeout=AT_ONCE) for result in [first, *others]]
    assert values == [0, 1, 2, 3, 4, 5]
    assert witness.noted(f"order {key}") == ["0", "1", "2", "3", "4", "5"]
    assert witness.most_at_once(key) == 1


def test_each_of_them_arrives_no_more_than_twice(hold, line_up, witness, key):
    hold(tasks.EARLY)
    others = [line_up(tasks.EARLY) for _ in range(5)]

    witness.open(key)

    runs_at_once(witness, key, 6)
    witness.wait_until_idle()
    assert [witness.arrivals(other.id) for other in others] == [2] * 5


def test_newcomers_do_not_keep_the_oldest_out(hold, line_up, witness, key):
    """They find the lock free between two runs, before the oldest is there."""
    hold(tasks.EARLY)
    oldest = line_up(tasks.EARLY, "oldest")
    newcomers: list[Any] = []

    def is_let_in():
        newcomers.append(tasks.EARLY.delay(key, "newcomer"))
        time.sleep(0.02)
        return oldest.ready()

    witness.open(key)
    wait_until(is_let_in, message=lambda: f"{len(newcomers)} newcomers run before it")

    # All that came later run, too.
    wait_until(lambda: witness.runs(key) == 2 + len(newcomers), timeout=60)


def test_where_two_may_run_the_end_of_each_starts_one(line_up, witness, key):
    gates = [f"{key} {number}" for number in range(6)]
    for gate in gates[:2]:
        two_in_line.delay(key, gate)
    runs_at_once(witness, key, 2)
    others = [line_up(two_in_line, gate) for gate in gates[2:]]

    for number, gate in enumerate(gates[:4]):
        witness.open(gate)
        runs_at_once(witness, key, 3 + number)
    for gate in gates[4:]:
        witness.open(gate)

    assert [other.get(timeout=AT_ONCE) for other in others] == [None] * 4
    assert witness.most_at_once(key) == 2


def test_a_revoked_call_does_not_run_and_the_next_one_starts(
    hold, line_up, worker, witness, key
):
    hold(tasks.EARLY, 0)
    second, third = line_up(tasks.EARLY, 1), line_up(tasks.EARLY, 2)
    wait_until_waiting(worker, tasks.EARLY, key, 2)
    revoke(worker, second)

    witness.open(key)

    assert third.get(timeout=AT_ONCE) == 2
    with pytest.raises(TaskRevokedError):
        second.get(timeout=AT_ONCE)
    assert witness.noted(f"order {key}") == ["0", "2"]


def test_an_expired_call_does_not_run_and_the_next_one_starts(
    hold, line_up, witness, key
):
    hold(tasks.EARLY, 0)
    expiry = time.time() + 2
    second = line_up(
        tasks.EARLY, 1, expires=datetime.fromtimestamp(expiry, timezone.utc)
    )
    third = line_up(tasks.EARLY, 2)
    wait_until(lambda: time.time() > expiry)

    witness.open(key)

    assert third.get(timeout=AT_ONCE) == 2
    with pytest.raises(TaskRevokedError, match="expired"):
        second.get(timeout=AT_ONCE)
    assert witness.noted(f"order {key}") == ["0", "2"]


def test_a_replaced_call_does_not_run_and_the_next_one_starts(
    hold, line_up, witness, key
):
    hold(tasks.LATEST, 0)
    second, third = line_up(tasks.LATEST, 1), line_up(tasks.LATEST, 2)

    witness.open(key)

    assert third.get(timeout=AT_ONCE) == 2
    with pytest.raises(TaskRevokedError, match="replaced"):
        second.get(timeout=AT_ONCE)
    assert witness.noted(f"order {key}") == ["0", "2"]


def test_a_call_behind_others_ends_by_its_expiry(hold, line_up, witness, key):
    hold(tasks.EARLY)
    line_up(tasks.EARLY)

    behind = line_up(tasks.BRIEF, expires=tasks.SHORT_PAUSE + 1.5)

    with pytest.raises(TaskRevokedError, match="expired"):
        behind.get(timeout=AT_ONCE)
    # By the time that it expired it had not asked once more.
    assert witness.arrivals(behind.id) == 1
    assert witness.runs(key) == 1


def test_a_call_behind_others_ends_by_its_timeout(hold, line_up, witness, key):
    first = hold(tasks.EARLY)
    line_up(tasks.EARLY)

    behind = line_up(tasks.GIVING_UP)

    with pytest.raises(DuplicateTaskError) as caught:
        behind.get(timeout=AT_ONCE)
    assert caught.value.owner == first.id
    assert witness.arrivals(behind.id) == 2
    assert witness.runs(key) == 1


def test_only_the_oldest_asks_the_store_now_and_then(hold, line_up, witness, key):
    hold(tasks.BRIEF, 0)
    oldest, *others = [line_up(tasks.BRIEF, number) for number in (1, 2, 3)]

    wait_until(lambda: witness.arrivals(oldest.id) == 3)

    # The next one may have its turn while the oldest asks. Each for itself would have
    # asked as often as the oldest.
    assert sum(witness.arrivals(other.id) for other in others) <= 4


def test_a_task_that_retries_stands_behind_those_that_wait(hold, line_up, witness, key):
    first = hold(tasks.retry_in_line, "retries")
    others = [line_up(tasks.retry_in_line, number) for number in range(2)]

    witness.open(key)

    assert [other.get(timeout=AT_ONCE) for other in others] == [0, 0]
    assert first.get(timeout=AT_ONCE) == 1
    assert witness.noted(f"order {key}")[:2] == ["retries 0", "0 0"]
    assert witness.most_at_once(key) == 1


def test_runs_that_follow_each_other_take_their_turns(hold, worker, witness, key):
    hold(tasks.follow_in_line)
    wait_until_waiting(worker, tasks.follow_in_line, key, 1)

    witness.open(key)

    runs_at_once(witness, key, 3)
    assert witness.noted(f"order {key}") == ["1", "2", "3"]


def test_people_see_who_waits(hold, line_up, worker, witness, key):
    first = hold(tasks.EARLY)
    second, _ = line_up(tasks.EARLY), line_up(tasks.EARLY)
    wait_until_waiting(worker, tasks.EARLY, key, 2)

    [line] = ask("unique_waiting", worker)

    assert (line["task"], line["waiting"], line["limit"]) == ("waiting early", 2, 1)
    assert time.time() - 60 < line["since"] < time.time()
    assert witness.noted(f"waits of {second.id}") == [f"{first.id} 1"]
    witness.open(key)
    runs_at_once(witness, key, 3)
    wait_until(lambda: waiting_in(worker, tasks.EARLY, key) == 0)
