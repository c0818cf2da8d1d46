"""Locks that are spread over the nodes of a Redis Cluster."""

import pytest
from redis.crc import key_slot

from tests.backends.stores import FIRST, LEASE, SECOND, published, record_of, renewals
from tests.forking import in_fork
from unique_task import RedisBackend
from unique_task.backends.steps import Acquired, Held, Renewal, Renewed


@pytest.fixture
def backend(cluster_url: str) -> RedisBackend:
    return RedisBackend(cluster_url)


def test_all_keys_of_a_lock_are_on_one_node(backend, redis_cluster):
    backend.reserve("key", published("one"), 10)
    backend.reserve("key", published("two"), 10, replace_within=100, remember_for=10)
    backend.acquire(
        "key", FIRST, 10, remember_for=10, take_over_from=[published("two").token]
    )
    backend.release("key", FIRST.token, value=b"value", fresh_for=10, finished_for=10)

    names = [name for node in redis_cluster.nodes for name in node.client.keys()]

    assert len(names) >= 2
    assert len({key_slot(name.encode()) for name in names}) == 1


def test_locks_on_all_nodes_are_renewed_by_one_call(backend, redis_cluster):
    keys = redis_cluster.keys()
    for key in keys:
        backend.acquire(key, FIRST, expire=10)
    backend.renew(renewals(keys))  # which brings the script to all nodes
    for node in redis_cluster.nodes:
        node.reset_counts()

    outcomes = backend.renew(renewals(keys * 5))

    assert outcomes == [Renewed.HELD] * 15
    # Each node is asked for its own locks only.
    for node in redis_cluster.nodes:
        assert node.command_counts()["evalsha"] == 5


def test_the_outcomes_of_renewals_keep_their_order(backend, redis_cluster):
    first, second, third = redis_cluster.keys()
    backend.acquire(first, SECOND, expire=10)
    backend.acquire(third, FIRST, expire=10)

    outcomes = backend.renew(renewals([first, second, third]))

    assert outcomes == [Renewed.TAKEN, Renewed.RETAKEN, Renewed.HELD]


def test_locks_are_found_where_they_are_moved(own_cluster):
    backend = RedisBackend(own_cluster.url)
    source, target, _ = own_cluster.nodes
    key = own_cluster.keys()[0]
    taken = backend.acquire(key, FIRST, expire=60)
    assert isinstance(taken, Acquired)
    renewal = Renewal(key, FIRST, taken.fence, 60)

    with own_cluster.moving(key, target):
        assert backend.renew([renewal] * 3) == [Renewed.HELD] * 3
        assert isinstance(backend.acquire(key, SECOND, expire=60), Held)

    assert backend.renew([renewal] * 3) == [Renewed.HELD] * 3
    assert isinstance(backend.acquire(key, SECOND, expire=60), Held)
    held = backend.get(key)
    assert held and held.record.fence == taken.fence
    assert backend.release(key, FIRST.token)


def test_a_client_survives_a_fork(backend):
    backend.acquire("key", FIRST, expire=LEASE)

    def in_child() -> list[object]:
        refused = backend.acquire("key", record_of("child"), expire=LEASE)
        return [refused, backend.acquire("child's", record_of("child"), expire=LEASE)]

    refused, taken = in_fork(in_child)

    assert isinstance(refused, Held)
    assert isinstance(taken, Acquired)
    assert backend.release("key", FIRST.token)
