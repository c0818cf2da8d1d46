"""Locks in a Redis Cluster while some of its nodes are down."""

from typing import Any

import pytest

from tests.backends.stores import FIRST, SECOND, connect, in_time, renewals
from tests.servers import ClusterNode
from tests.servers.process import HOST
from tests.waiting import wait_until
from unique_task import LockStoreError, LockStoreRefusedError, RedisBackend
from unique_task.backends.steps import Held, Renewal, Renewed


@pytest.fixture
def backend(cluster_url: str) -> RedisBackend:
    return RedisBackend(cluster_url)


def test_a_step_that_needs_a_new_key_waits_for_a_slot_that_is_on_its_way(own_cluster):
    # Redis does not run a script for several keys while some may be elsewhere.
    hasty = RedisBackend(own_cluster.url, timeout=0.4)
    patient = RedisBackend(own_cluster.url)
    source, target, _ = own_cluster.nodes
    key = own_cluster.keys()[0]
    patient.acquire(key, FIRST, expire=60)
    connect(hasty, [key])

    with own_cluster.moving(key, target):
        with in_time(0.4), pytest.raises(LockStoreError):
            hasty.renew(renewals([key] * 50))

    assert patient.renew(renewals([key])) == [Renewed.HELD]


@pytest.mark.parametrize("end", ["kill", "pause"])
def test_a_node_that_is_down_costs_its_own_locks_only(own_cluster, end):
    backend = RedisBackend(own_cluster.url, timeout=4)
    keys = down, *others = own_cluster.keys()
    for key in keys:
        backend.acquire(key, FIRST, expire=60)
    getattr(own_cluster.nodes[0], end)()

    with in_time(4):
        outcomes = backend.renew(renewals(keys * 20))

    assert outcomes == [Renewed.UNKNOWN, Renewed.HELD, Renewed.HELD] * 20
    for other in others:
        assert backend.release(other, FIRST.token)
    with in_time(4), pytest.raises(LockStoreError):
        backend.acquire(down, SECOND, 60)
    with in_time(4), pytest.raises(LockStoreError):
        backend.renew(renewals([down]))


def test_a_cluster_that_is_down_is_given_up_in_time(own_cluster):
    backend = RedisBackend(own_cluster.url, timeout=0.8)
    keys = own_cluster.keys()
    connect(backend, keys)
    for node in own_cluster.nodes:
        node.pause()

    with in_time(0.8), pytest.raises(LockStoreError):
        backend.renew(renewals(keys * 20))
    with in_time(0.8), pytest.raises(LockStoreError):
        backend.get(keys[0])
    with in_time(0.8), pytest.raises(LockStoreError):
        RedisBackend(own_cluster.url, timeout=0.8).get(keys[0])


def test_a_cluster_that_refuses_is_a_store_error_that_names_it():
    with pytest.raises(LockStoreError, match=f"redis\\+cluster://{HOST}:1"):
        RedisBackend(f"redis+cluster://{HOST}:1").get("key")


@pytest.mark.parametrize("login", [":sesame@", "nobody:sesame@"])
def test_a_password_that_nobody_has_is_a_refusal(redis_cluster, login):
    backend = RedisBackend(redis_cluster.url.replace("://", f"://{login}"))

    with pytest.raises(LockStoreRefusedError) as error:
        backend.check()

    assert "sesame" not in str(error.value)


def test_a_node_that_came_back_is_used_again(own_cluster):
    backend = RedisBackend(own_cluster.url)
    key = own_cluster.keys()[0]
    backend.acquire(key, FIRST, expire=60)
    own_cluster.nodes[0].restart()
    own_cluster.wait(own_cluster.nodes)

    assert backend.renew(renewals([key])) == [Renewed.RETAKEN]


def test_connections_that_the_nodes_closed_are_no_error(backend, redis_cluster):
    keys = redis_cluster.keys()
    backend.renew(renewals(keys))
    for node in redis_cluster.nodes:
        node.client.client_kill_filter(_type="normal")

    assert backend.renew(renewals(keys * 2)) == [Renewed.HELD] * 6


def test_a_replica_that_takes_the_place_of_its_node_has_the_locks(
    own_cluster, tmp_path
):
    (tmp_path / "replica").mkdir()
    with ClusterNode(tmp_path / "replica") as replica:
        own_cluster.add_replica(replica)
        backend: Any = RedisBackend(own_cluster.url)
        down = own_cluster.nodes[0]
        key = own_cluster.keys()[0]
        taken = backend.acquire(key, FIRST, expire=60)
        wait_until(lambda: replica.client.dbsize() == down.client.dbsize())

        down.kill()
        own_cluster.nodes[0] = replica
        wait_until(lambda: replica.role == "master", timeout=20)
        assert own_cluster.node_of(key) is replica

        renewal = Renewal(key, FIRST, taken.fence, 60)
        assert backend.renew([renewal]) == [Renewed.HELD]
        assert isinstance(backend.acquire(key, SECOND, expire=60), Held)
        assert backend.release(key, FIRST.token)
        assert backend.acquire(key, SECOND, expire=60).fence > taken.fence
