"""Workers whose locks are in a Redis that fails over, or a part of which is away."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from tests.servers import cluster, sentinels
from tests.waiting import wait_until
from tests.worker.app import configure
from tests.worker.tasks_outage import report
from tests.worker.witness import Witness
from unique_task.options.guarded_class import spec_of

pytestmark = pytest.mark.worker

TIMEOUT = 30

#: Seconds; a fail-over takes less, also on a busy machine.
LEASE = 20


@pytest.fixture
def servers(tmp_path):
    with sentinels(tmp_path) as servers:
        yield servers


@pytest.fixture
def start(celery_app, start_worker, urls):
    """Have the locks there, for this process and for a worker."""

    def start(locks, lease=LEASE):
        configure(**{**urls, "locks": locks})
        settings = {"unique_lease": lease}
        return start_worker(locks=locks, pool="threads", settings=settings)

    return start


def run(witness: Witness, key: str) -> Any:
    """Return a task that runs until its gate is opened."""
    result = report.delay(key)
    wait_until(lambda: witness.runs(key), TIMEOUT)
    return result


def test_no_two_hold_a_lock_after_a_fail_over(start, servers, witness, key):
    start(servers.url)
    first = run(witness, key)
    servers.wait_for_replica()
    servers.master.kill()
    servers.wait_for_promotion()

    second = report.delay(key)
    wait_until(lambda: witness.waits(second.id), TIMEOUT)
    witness.open(key)

    told = first.get(timeout=TIMEOUT)
    assert not told["lost"]
    assert second.get(timeout=TIMEOUT)["fence"] > told["fence"]
    assert witness.most_at_once(key) == 1


def test_who_has_a_lock_that_a_fail_over_lost_is_told(start, servers, witness, key):
    """Replication had not come that far: two run, and the fence tells them apart."""
    # It must not be renewed before the second one comes; then it is, after a third.
    start(servers.url, lease=3 * LEASE)
    master = servers.master.client
    master.execute_command("ACL SETUSER", "default", "-psync", "-sync")
    master.client_kill_filter(_type="slave")
    first = run(witness, key)
    servers.master.kill()
    servers.wait_for_promotion()

    second = report.delay(key)
    wait_until(lambda: witness.runs(key) == 2, TIMEOUT)
    wait_until(lambda: witness.noted(f"losses {first.id}"), TIMEOUT)
    witness.open(key)

    told = first.get(timeout=TIMEOUT)
    assert told["lost"]
    found = second.get(timeout=TIMEOUT)
    assert not found["lost"]
    assert found["fence"] > told["fence"]


def test_while_a_node_is_away_tasks_wait_whose_locks_are_there(
    start, witness, key, tmp_path
):
    with cluster(tmp_path) as nodes:
        start(nodes.url)
        down, up, _ = nodes.nodes
        away, here = (
            next(name for name in names(key) if nodes.node_of(lock(name)) is node)
            for node in (down, up)
        )
        witness.open(away)
        witness.open(here)

        down.kill()
        waits = report.delay(away)
        wait_until(lambda: witness.states(waits.id), TIMEOUT)
        assert report.delay(here).get(timeout=TIMEOUT)["fence"]
        assert witness.runs(away) == 0

        down.start()
        nodes.wait(nodes.nodes)
        assert waits.get(timeout=TIMEOUT)["fence"]


def names(key: str) -> Iterator[str]:
    return (f"{key} {number}" for number in count())


def lock(key: str) -> str:
    """What the lock of a call is called in the store."""
    return spec_of(report).digest(report, (key,), {})
