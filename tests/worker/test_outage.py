"""A store that fails while tasks run: no body stops, none loses its result."""

import time
from typing import Any

import pytest

from tests.servers import Proxy, RedisServer
from tests.waiting import wait_until
from tests.worker.tasks_outage import report
from unique_task import RedisBackend

pytestmark = pytest.mark.worker

TIMEOUT = 30

#: Seconds: of a lock that is held though the machine stands still; of one that ends.
LEASE = 6.0
SHORT = 1.5

#: Seconds for which one operation of the store may take at most.
PATIENCE = 0.5


@pytest.fixture(scope="module")
def lock_server(tmp_path_factory):
    """A Redis with nothing but the locks."""
    with RedisServer(tmp_path_factory.mktemp("locks")) as server:
        yield server


@pytest.fixture(scope="module")
def proxy(lock_server):
    with Proxy(lock_server.url) as proxy:
        yield proxy


@pytest.fixture(scope="module", autouse=True)
def worker(proxy, start_module_worker):
    settings = {"unique_lease": LEASE, "unique_timeout": PATIENCE}
    return start_module_worker(locks=proxy.url, settings=settings, concurrency=4)


@pytest.fixture
def store(proxy):
    """Stands before the store of the locks."""
    yield proxy
    proxy.restore()


@pytest.fixture
def lock_of(lock_server, witness):
    """Call it for who holds a key; past the proxy."""
    backend = RedisBackend(lock_server.url)
    return lambda key: backend.get(witness.noted(f"locks {key}")[0])


@pytest.fixture
def start(witness, store, lock_of, key):
    """Call it for a task under way, and its fence."""

    task: Any = report

    def start(lease):
        result = task.apply_async([key], unique={"expire": lease})
        wait_until(lambda: witness.runs(key))
        return result, wait_until(lambda: lock_of(key)).record.fence

    yield start
    store.restore()
    witness.open(key)


@pytest.fixture
def running(start):
    """A task that holds on to its lock."""
    return start(LEASE)


@pytest.fixture
def brief(start):
    """A task whose lock ends soon if nobody renews it."""
    return start(SHORT)


def test_an_outage_shorter_than_a_lease_changes_nothing(
    running, store, witness, worker, lock_of, key
):
    result, fence = running
    said = "leases could not be renewed"
    before = worker.log.count(said)
    store.cut()
    wait_until(lambda: worker.log.count(said) > before)
    store.restore()

    remaining = lock_of(key).remaining
    wait_until(lambda: lock_of(key).remaining > remaining)

    assert lock_of(key).record.owner == result.id
    witness.open(key)
    assert result.get(timeout=TIMEOUT) == {"lost": False, "fence": fence}
    assert witness.noted(f"losses {result.id}") == []


def test_an_outage_longer_than_a_lease_is_told_to_the_body_which_ends(
    brief, store, witness, lock_of, key
):
    result, fence = brief
    store.cut()
    wait_until(lambda: witness.noted(f"losses {result.id}"))
    wait_until(lambda: lock_of(key) is None)
    store.restore()

    # Nobody has taken it since, so it is taken again, and held from then on.
    held = wait_until(lambda: lock_of(key))
    assert held.record.owner == result.id
    witness.open(key)

    assert result.get(timeout=TIMEOUT) == {"lost": True, "fence": fence}
    wait_until(lambda: lock_of(key) is None)


def test_a_store_that_restarts_empty_gets_its_locks_back(
    running, lock_server, witness, lock_of, key
):
    result, fence = running

    lock_server.restart()

    held = wait_until(lambda: lock_of(key))
    assert held.record.fence == fence
    second = report.delay(key)
    wait_until(lambda: witness.waits(second.id))
    assert witness.runs(key) == 1
    witness.open(key)
    assert result.get(timeout=TIMEOUT) == {"lost": True, "fence": fence}
    assert second.get(timeout=TIMEOUT)["fence"] > fence
    assert witness.most_at_once(key) == 1


def test_a_store_that_hangs_holds_no_slot(brief, store, witness, key):
    result, _ = brief
    end = time.monotonic() + 8
    store.hang()
    other = report.delay(f"other {key}")
    for arrival in range(1, 4):
        wait_until(lambda: witness.arrivals(other.id) >= arrival)
        # Much more than that, on a machine that is busy with other things.
        wait_until(lambda: len(witness.states(other.id)) >= arrival, 20 * PATIENCE)
    wait_until(lambda: witness.noted(f"losses {result.id}"))
    # A body that has ended is not held either: its result is there.
    witness.open(key)
    assert result.get(timeout=20 * PATIENCE)["lost"]
    # For what must not happen meanwhile, there is no condition.
    wait_until(lambda: time.monotonic() > end)
    assert witness.runs(f"other {key}") == 0

    store.restore()
    witness.open(f"other {key}")
    assert other.get(timeout=TIMEOUT)
    assert witness.runs(f"other {key}") == 1


def test_to_publish_no_store_is_needed(store, witness, key):
    witness.open(key)
    store.cut()

    result = report.delay(key)
    wait_until(lambda: witness.waits(result.id) > 1)
    assert witness.runs(key) == 0

    store.restore()
    assert result.get(timeout=TIMEOUT)
    assert witness.runs(key) == 1


def test_a_task_that_ends_without_its_store_blocks_its_key_for_one_lease(
    brief, store, witness, lock_of, key
):
    result, _ = brief
    store.cut()
    witness.open(key)
    assert result.get(timeout=TIMEOUT)

    held = lock_of(key)
    # On a busy machine the lease may be over by now.
    assert not held or held.remaining <= SHORT
    wait_until(lambda: lock_of(key) is None)
