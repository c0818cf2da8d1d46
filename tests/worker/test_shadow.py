"""Shadow mode in real workers: every call runs, beside whoever enforces locks."""

import json
import time
from typing import Any

import pytest

from tests.servers import Proxy
from tests.waiting import wait_until
from tests.web.test_actions import sent
from tests.web.test_views import text_of
from tests.worker.app import app
from tests.worker.tasks_exits import leave
from tests.worker.tasks_outage import report
from unique_task.operating import Hold, hold
from unique_task.web import anybody, create_web

pytestmark = pytest.mark.worker

TIMEOUT = 30

#: How many bodies the worker runs at once.
SLOTS = 4

#: Queue of the worker that enforces locks.
ENFORCED = "enforced"

#: Seconds for which one operation of the store may take at most.
PATIENCE = 0.5

NOTHING = {"lost": False, "fence": None}


@pytest.fixture(scope="module", autouse=True)
def _in_shadow(module_urls):
    app.conf.unique_enabled = "shadow"
    yield
    app.conf.unique_enabled = True


@pytest.fixture
def enforced_here():
    app.conf.unique_enabled = True
    yield
    app.conf.unique_enabled = "shadow"


@pytest.fixture(scope="module")
def proxy(module_urls):
    with Proxy(module_urls["locks"]) as proxy:
        yield proxy


@pytest.fixture(scope="module", autouse=True)
def worker(proxy, start_module_worker):
    settings = {"unique_enabled": "shadow", "unique_timeout": PATIENCE}
    return start_module_worker(locks=proxy.url, settings=settings, concurrency=SLOTS)


@pytest.fixture(scope="module")
def enforcing(start_module_worker):
    return start_module_worker(options=["-Q", ENFORCED], pool="threads")


@pytest.fixture
def store(proxy):
    """Stands between the worker and the store of the locks."""
    yield proxy
    proxy.restore()


def would_be(worker: Any, result: Any) -> int:
    """How often the worker said that a task would be a duplicate."""
    return int(worker.log.count(f"[{result.id}] would be a duplicate of"))


def run_together(witness: Any, key: str, task: Any, **options: Any) -> list[Any]:
    """Have as many equal calls as there are slots under way; return their results."""
    results = [task.apply_async([key], **options) for _ in range(SLOTS)]
    wait_until(lambda: witness.runs(key) == SLOTS)
    witness.open(key)
    assert [result.get(timeout=TIMEOUT) for result in results] == [NOTHING] * SLOTS
    return results


def test_a_worker_says_what_it_does_in_one_line(worker):
    said = 'WARNING/MainProcess] unique_enabled is "shadow": all tasks run'

    assert worker.log.count(said) == 1


def test_a_burst_of_equal_calls_runs_at_once_and_all_but_one_are_counted(
    worker, witness, key
):
    results = run_together(witness, key, report)

    assert witness.most_at_once(key) == SLOTS
    assert sum(would_be(worker, result) for result in results) == SLOTS - 1


def test_a_burst_that_is_counted_at_publish_is_not_counted_at_run(
    worker, witness, key, caplog
):
    options = {"unique": {"lock": "until_executed"}}

    results = run_together(witness, key, report, **options)

    said = [text for text in caplog.messages if "would be a duplicate of" in text]
    assert len(said) == SLOTS - 1
    assert not any(would_be(worker, result) for result in results)
    assert not any(result.duplicate for result in results)


def test_who_enforces_locks_and_who_does_not_are_not_in_each_others_way(
    worker, enforcing, witness, key
):
    first = report.apply_async((key,))
    wait_until(lambda: witness.runs(key) == 1)
    alone = report.apply_async((key,), queue=ENFORCED)
    wait_until(lambda: witness.runs(key) == 2)
    waits = report.apply_async((key,), queue=ENFORCED)
    wait_until(lambda: witness.waits(waits.id))
    second = report.apply_async((key,))
    wait_until(lambda: witness.runs(key) == 3)

    assert [would_be(worker, result) for result in (first, second)] == [0, 1]
    witness.open(key)
    assert alone.get(timeout=TIMEOUT)["fence"]
    assert waits.get(timeout=TIMEOUT)["fence"]
    assert first.get(timeout=TIMEOUT) == second.get(timeout=TIMEOUT) == NOTHING


def test_a_hold_by_who_enforces_locks_names_the_workers_that_do_not(
    worker, enforcing, key, enforced_here
):
    held = hold(app, report.name, [key], seconds=60, by="ann", reason="migration")

    assert isinstance(held, Hold)
    assert [str(finding) for finding in held.findings] == [
        f'{worker.name}: unique_enabled is "shadow" there: it runs calls of the key '
        "all the same"
    ]


def test_the_web_page_names_them_once(worker, enforcing, key, enforced_here):
    web = create_web(app, who=anybody, allow_actions=True).test_client()
    asked = {"wanted": report.name, "args": json.dumps([key]), "seconds": "60"}

    done = sent(web, "/hold", **asked, by="ann", reason="migration")

    assert f"held by ann for 60.0 s {worker.name}: unique_enabled" in text_of(done)
    assert text_of(done).count("it runs calls of the key all the same") == 1


def test_a_killed_child_leaves_no_lock(worker, witness, key):
    killed = leave.delay(key, "os._exit")
    wait_until(lambda: witness.runs(key))
    witness.open(key)
    worker.wait_for_log("died; its lock is free")
    witness.ended(killed.id, "killed")

    again = leave.delay(key, "return")
    again.get(timeout=TIMEOUT)

    assert not would_be(worker, again)


def test_a_store_that_hangs_delays_no_body_for_long_and_each_process_says_so_once(
    worker, witness, store, key
):
    said = "duplicates are not counted for a while"
    store.hang()

    began = time.monotonic()
    run_together(witness, key, report)
    run_together(witness, f"{key} again", report)

    assert time.monotonic() - began < 10 * PATIENCE
    assert 1 <= worker.log.count(said) <= SLOTS
