"""The oldest and the newest Celery beside each other, as while it is upgraded."""

from pathlib import Path

import celery
import pytest

from tests.programs import run
from tests.waiting import wait_until
from tests.worker import tasks_waiting as tasks
from tests.worker.waiting.line import AT_ONCE, waiting_in
from tests.worker.worker_process import WorkerProcess

pytestmark = [pytest.mark.worker, pytest.mark.any_celery]

#: `make test` makes it.
OLDEST = Path(__file__).parents[3] / ".venv-celery53" / "bin" / "python"

OLD, NEW = "old", "new"

SEND = """
import sys
from tests.worker.app import app, configure
from tests.worker.tasks_waiting import EXECUTED
locks, broker, backend, key = sys.argv[1:]
configure(broker, backend, locks)
print(EXECUTED.apply_async((key, "by the oldest"), queue="new").id)
"""


@pytest.fixture(scope="module", autouse=True)
def workers(start_module_worker):
    """A worker on each, with a queue of its own."""
    options = {
        "settings": {"unique_lease": 600},
        "environment": {"UNIQUE_TEST_TASKS": "tasks_waiting"},
    }
    return {
        name: start_module_worker(options=("-Q", name), python=python, **options)
        for name, python in ((OLD, OLDEST), (NEW, WorkerProcess.python))
    }


def test_they_are_two(workers):
    assert "v5.3" in workers[OLD].log
    assert f"v{celery.__version__}" in workers[NEW].log


def test_each_runs_and_refuses_what_the_other_has_published(module_urls, witness, key):
    urls = [module_urls[name] for name in ("locks", "broker", "backend")]
    first = run(OLDEST, "-c", SEND, *urls, key, check=True).stdout.strip()
    equal = tasks.EXECUTED.apply_async((key, "by the newest"), queue=NEW)
    assert (equal.id, equal.duplicate) == (first, True)
    witness.open(key)
    assert equal.get(timeout=AT_ONCE) == "by the oldest"

    second = tasks.EXECUTED.apply_async((key, "by the newest"), queue=OLD)

    assert not second.duplicate
    assert second.get(timeout=AT_ONCE) == "by the newest"


def test_calls_that_wait_in_both_start_in_turn(hold, line_up, workers, witness, key):
    first = hold(tasks.EARLY, 0, queue=OLD)
    others = [line_up(tasks.EARLY, n, queue=(OLD, NEW)[n % 2]) for n in range(1, 5)]
    wait_until(
        lambda: sum(waiting_in(w, tasks.EARLY, key) for w in workers.values()) == 4
    )

    witness.open(key)

    assert [one.get(timeout=AT_ONCE) for one in (first, *others)] == [0, 1, 2, 3, 4]
    assert witness.noted(f"order {key}") == ["0", "1", "2", "3", "4"]
    assert witness.most_at_once(key) == 1
