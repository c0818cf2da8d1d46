"""The counters of a worker are in the store when it has ended, whatever its pool."""

import pytest

from tests.counting.counted import counted
from tests.waiting import wait_until
from tests.worker.app import app
from tests.worker.tasks_policies import EARLY

pytestmark = [
    *(pytest.mark.worker, pytest.mark.any_celery),
    pytest.mark.usefixtures("celery_app"),
]

TASK = EARLY["ignore"]

RUNS = 3

#: Each child of a prefork pool ends after one task.
WORKERS = [("prefork", ("--max-tasks-per-child", "1")), ("gevent", ()), ("solo", ())]


@pytest.fixture
def module_urls(urls):
    return urls


def run(witness, key: str, times: int) -> None:
    """Run a key once at a time."""
    witness.open(key)
    for _ in range(times):
        TASK.delay(key).get(timeout=30)


def in_store() -> dict[str, float]:
    return counted(app, TASK.name)


@pytest.mark.parametrize("pool, options", WORKERS)
def test_a_worker_that_is_stopped_has_counted_all(
    start_worker, witness, key, pool, options
):
    worker = start_worker(pool=pool, options=options)
    run(witness, key, RUNS)
    leader = TASK.delay(f"{key} 2")
    if pool != "solo":  # which runs nothing beside it
        wait_until(lambda: witness.runs(f"{key} 2"))
        TASK.delay(f"{key} 2").get(timeout=30, propagate=False)
    witness.open(f"{key} 2")
    leader.get(timeout=30)

    worker.terminate()

    duplicates = {} if pool == "solo" else {"duplicates.ignore.run": 1}
    assert in_store() == {"runs": RUNS + 1, **duplicates}


def test_what_a_killed_worker_had_brought_to_the_store_counts_once(
    start_worker, witness, key
):
    worker = start_worker(pool="threads")
    run(witness, key, RUNS)
    wait_until(lambda: in_store() == {"runs": RUNS})
    run(witness, key, 1)
    witness.wait_until_idle()

    worker.kill()

    # What it counted last may have been on its way.
    assert in_store() in ({"runs": RUNS}, {"runs": RUNS + 1})
