"""Workers whose locks are in each of the stores keep what is promised on Redis.

Publishers and forked children have connections of their own there, and a killed worker
leaves its locks to time.
"""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from celery.exceptions import TaskRevokedError

from tests.waiting import in_time, wait_until
from tests.worker.app import app, configure
from tests.worker.conftest import close_app, starter, urls_on
from tests.worker.published.shelf import Shelf
from tests.worker.redelivery.sending import pid_of_run
from tests.worker.tasks_policies import LATE
from tests.worker.tasks_published import DEBOUNCE, DEBOUNCED, GUARDED_BY
from tests.worker.tasks_redelivery import SURVIVING
from tests.worker.tasks_waiting import EARLY as EARLY_IN_LINE
from tests.worker.test_overlap import publish
from tests.worker.waiting.line import AT_ONCE
from tests.worker.witness import Witness

pytestmark = pytest.mark.worker

STORES = ["postgresql", "mariadb", "sqlite", "memcached"]

#: Seconds for which a lock stands without a sign of life.
LEASE = 6

TIMEOUT = 30


@pytest.fixture(scope="module", params=STORES)
def module_urls(request, redis_server, tmp_path_factory):
    """Messages and results are in Redis, the locks in a store of another kind."""
    redis_server.client.flushall()
    if request.param == "sqlite":
        locks = f"sqlite:///{tmp_path_factory.mktemp('locks')}/locks.sqlite"
    else:
        locks = request.getfixturevalue(request.param).url
    urls = {**urls_on(redis_server.url), "locks": locks}
    configure(**urls)
    yield urls
    close_app()


@pytest.fixture(scope="module", autouse=True)
def workers(module_urls, tmp_path_factory):
    with starter(tmp_path_factory.mktemp("workers"), module_urls) as start:
        options = {"concurrency": 4, "settings": {"unique_lease": LEASE}}
        with ThreadPoolExecutor() as threads:
            starts = [threads.submit(start, **options) for _ in range(2)]
        yield [start.result() for start in starts]


@pytest.fixture
def witness(module_urls):
    # A run that is killed never ends: nobody waits for that here.
    witness = Witness(module_urls["witness"])
    yield witness
    witness.close()


def test_equal_runs_never_overlap(module_urls, witness):
    keys = [uuid4().hex for _ in range(4)]

    results = [app.AsyncResult(task_id) for task_id in publish(module_urls, keys)]

    wait_until(lambda: all(result.ready() for result in results), timeout=120)
    assert [witness.most_at_once(key) for key in keys] == [1] * 4
    states = [result.state for result in results]
    assert set(states) == {"SUCCESS", "REVOKED"}
    assert sum(map(witness.runs, keys)) == states.count("SUCCESS")


def test_the_value_of_a_run_is_handed_to_its_duplicates(witness, key):
    task = LATE["cached"]
    first = task.delay(key, "value")
    wait_until(lambda: witness.runs(key) == 1)
    second = task.delay(key, "another")
    witness.open(key)

    assert first.get(timeout=TIMEOUT) == "value"
    assert second.get(timeout=TIMEOUT) == "value"
    assert witness.runs(key) == 1


def test_a_call_that_waits_for_a_lock_starts_when_it_is_free(witness, key):
    first = EARLY_IN_LINE.delay(key, 1)
    wait_until(lambda: witness.runs(key) == 1)
    others = [EARLY_IN_LINE.delay(key, number) for number in (2, 3)]
    for other in others:
        wait_until(lambda: witness.waits(other.id))

    witness.open(key)

    values = [result.get(timeout=AT_ONCE) for result in (first, *others)]
    assert values == [1, 2, 3]
    assert witness.most_at_once(key) == 1


@pytest.mark.parametrize("lock", ["until_executed", "until_and_while_executing"])
def test_a_duplicate_of_what_waits_is_not_sent(witness, key, lock):
    task, shelf = GUARDED_BY[lock, "ignore"], Shelf(f"shelf-{key}")
    first = shelf.put(task, key, 1)
    assert task.delay(key, 2).duplicate
    shelf.deliver()
    witness.open(key)

    assert first.get(timeout=TIMEOUT) == 1
    wait_until(lambda: not task.delay(key, 3).duplicate)


def test_a_later_call_takes_the_place_of_one_that_waits(witness):
    def calls():
        key = uuid4().hex
        witness.open(key)
        return key, DEBOUNCED.delay(key, 1), DEBOUNCED.delay(key, 2)

    key, first, second = in_time(calls, DEBOUNCE)

    assert second.get(timeout=TIMEOUT) == 2
    with pytest.raises(TaskRevokedError, match="replaced by"):
        first.get(timeout=TIMEOUT)
    assert witness.runs(key) == 1


def test_a_task_whose_child_was_killed_runs_again_alone(witness, key):
    task = SURVIVING["ignore"]
    result = task.delay(key)

    os.kill(pid_of_run(witness, key), signal.SIGKILL)

    wait_until(lambda: witness.runs(key) == 2, TIMEOUT)
    with pytest.raises(TaskRevokedError, match=result.id):
        task.delay(key).get(timeout=TIMEOUT)
    witness.open(key)
    assert result.get(timeout=TIMEOUT) == "ran"
    assert witness.noted(f"ends {key}") == [result.id]
