"""One worker for each module and broker, and a shelf for what shall not start yet."""

import pytest
from celery import Celery

from tests.waiting import wait_until
from tests.worker.conftest import on_both_brokers
from tests.worker.published.shelf import Shelf
from tests.worker.tasks_published import LONG, RETRIES

broker = on_both_brokers


@pytest.fixture(scope="module")
def worker(start_module_worker):
    return start_module_worker(
        pool="threads", concurrency=8, settings={"unique_lease": LONG}
    )


@pytest.fixture
def shelf(worker, key):
    shelf = Shelf(f"shelf-{key}")
    yield shelf
    shelf.clear()


@pytest.fixture
def retries(worker):
    shelf = Shelf(RETRIES)
    yield shelf
    # The worker has declared it, once and for all.
    shelf.clear(delete=False)


@pytest.fixture
def run(witness, key):
    """Call it to return when so many runs of the key have started."""

    def wait(count=1):
        wait_until(lambda: witness.runs(key) >= count)

    yield wait
    witness.open(key)


@pytest.fixture(scope="module")
def stranger(module_urls):
    """An app that does not know the tasks, and sends them by name."""
    stranger = Celery(
        # Else it would get the tasks of this process, as every app does.
        autofinalize=False,
        broker=module_urls["broker"],
        backend=module_urls["backend"],
        set_as_current=False,
    )
    yield stranger
    stranger.close()
