"""What is special about locks that are spread over the nodes of a Redis Cluster."""

import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from redis.cluster import RedisCluster
from redis.crc import key_slot

from tests.backends.stores import FIRST, REMEMBERED, SECOND, published, record_of
from tests.forking import in_fork
from tests.servers import Cluster, ClusterNode, cluster
from tests.servers.process import HOST
from unique_task import ConfigurationError, LockStoreError, RedisBackend
from unique_task.backends.steps import Acquired, Held, Renewal, Renewed

BAD_URLS = {
    "a port that is none": "redis+cluster://:sesame@one:port",
    "a host that is none": "redis+cluster://:sesame@[one",
    "another database": "redis+cluster://:sesame@one/3",
    "the second": "redis+cluster://:sesame@one;redis+cluster://:sesame@two:port",
}


@pytest.fixture
def backend(cluster_url: str) -> RedisBackend:
    return RedisBackend(cluster_url)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster for one test that pauses or kills its nodes."""
    with cluster(tmp_path) as servers:
        yield servers


def keys_on(servers: Cluster) -> dict[ClusterNode, str]:
    """The key of a lock on each node."""
    found: dict[ClusterNode, str] = {}
    for number in count():
        if len(found) == len(servers.nodes):
            return {node: found[node] for node in servers.nodes}
        found.setdefault(servers.node_of(f"key {number}"), f"key {number}")
    raise AssertionError


def renewals(keys: list[str]) -> list[Renewal]:
    return [Renewal(key, FIRST, 1, 60, REMEMBERED) for key in keys]


# Nodes


def test_all_keys_of_a_lock_are_on_one_node(backend, redis_cluster):
    backend.reserve("key", published("one"), 10)
    backend.reserve("key", published("two"), 10, replace=100, remember=10)
    backend.acquire("key", FIRST, 10, once=10, over=[published("two").token])
    backend.release("key", FIRST.token, value=b"value", fresh=10, finished=10)

    names = [name for node in redis_cluster.nodes for name in node.client.keys()]

    assert len(names) >= 2
    assert len({key_slot(name.encode()) for name in names}) == 1


def test_locks_on_all_nodes_are_renewed_by_one_call(backend, redis_cluster):
    keys = keys_on(redis_cluster)
    for key in keys.values():
        backend.acquire(key, FIRST, expire=10)
    for node in redis_cluster.nodes:
        node.reset_counts()

    outcomes = backend.renew(renewals(list(keys.values()) * 5))

    assert outcomes == [Renewed.HELD] * 15
    # Each of the nodes is asked for its own ones only.
    for node in redis_cluster.nodes:
        assert node.command_counts()["eval"] == 5


def test_the_outcomes_of_renewals_keep_their_order(backend, redis_cluster):
    first, second, third = keys_on(redis_cluster).values()
    backend.acquire(first, SECOND, expire=10)
    backend.acquire(third, FIRST, expire=10)

    outcomes = backend.renew(renewals([first, second, third]))

    assert outcomes == [Renewed.TAKEN, Renewed.RETAKEN, Renewed.HELD]


def test_locks_are_found_where_they_are_moved(own):
    backend = RedisBackend(own.url)
    source, target, _ = own.nodes
    key = keys_on(own)[source]
    taken = backend.acquire(key, FIRST, expire=60)
    assert isinstance(taken, Acquired)
    renewal = Renewal(key, FIRST, taken.fence, 60)

    with own.moving(key, target):
        assert backend.renew([renewal] * 3) == [Renewed.HELD] * 3
        assert isinstance(backend.acquire(key, SECOND, expire=60), Held)

    assert backend.renew([renewal] * 3) == [Renewed.HELD] * 3
    assert isinstance(backend.acquire(key, SECOND, expire=60), Held)
    held = backend.get(key)
    assert held and held.record.fence == taken.fence
    assert backend.release(key, FIRST.token)


def test_a_step_that_needs_a_new_key_waits_for_a_slot_that_is_on_its_way(own):
    # Redis does not run a script for several keys while some may be elsewhere.
    backend = RedisBackend(own.url, timeout=0.4)
    source, target, _ = own.nodes
    key = keys_on(own)[source]
    backend.acquire(key, FIRST, expire=60)

    with own.moving(key, target), pytest.raises(LockStoreError):
        in_time(1.2, backend.renew, renewals([key] * 50))

    assert backend.renew(renewals([key])) == [Renewed.HELD]


# Nodes that are down


@pytest.mark.parametrize("end", ["kill", "pause"])
def test_a_node_that_is_down_costs_its_own_locks_only(own, end):
    backend = RedisBackend(own.url, timeout=0.8)
    down, *others = own.nodes
    keys = keys_on(own)
    for key in keys.values():
        backend.acquire(key, FIRST, expire=60)
    getattr(down, end)()

    outcomes = in_time(1.2, backend.renew, renewals(list(keys.values()) * 20))

    assert outcomes == [Renewed.UNKNOWN, Renewed.HELD, Renewed.HELD] * 20
    for other in others:
        assert backend.release(keys[other], FIRST.token)
    with pytest.raises(LockStoreError):
        in_time(1.2, backend.acquire, keys[down], SECOND, 60)
    with pytest.raises(LockStoreError):
        in_time(1.2, backend.renew, renewals([keys[down]]))


def test_a_cluster_that_is_down_is_given_up_in_time(own):
    backend = RedisBackend(own.url, timeout=0.8)
    keys = list(keys_on(own).values())
    for key in keys:
        backend.acquire(key, FIRST, expire=60)
    for node in own.nodes:
        node.pause()

    with pytest.raises(LockStoreError):
        in_time(1.6, backend.renew, renewals(keys * 20))
    with pytest.raises(LockStoreError):
        in_time(1.6, backend.get, keys[0])
    with pytest.raises(LockStoreError):
        in_time(1.6, RedisBackend(own.url, timeout=0.8).get, keys[0])


def test_a_cluster_that_refuses_is_a_store_error_that_names_it():
    with pytest.raises(LockStoreError, match=f"redis\\+cluster://{HOST}:1"):
        RedisBackend(f"redis+cluster://{HOST}:1").get("key")


def test_a_node_that_came_back_is_used_again(own):
    backend = RedisBackend(own.url)
    down, *_ = own.nodes
    key = keys_on(own)[down]
    backend.acquire(key, FIRST, expire=60)
    down.restart()
    own.wait()

    assert backend.renew(renewals([key])) == [Renewed.RETAKEN]


def test_connections_that_the_nodes_closed_are_no_error(backend, redis_cluster):
    keys = list(keys_on(redis_cluster).values())
    backend.renew(renewals(keys))
    for node in redis_cluster.nodes:
        node.client.client_kill_filter(_type="normal")

    assert backend.renew(renewals(keys * 2)) == [Renewed.HELD] * 6


def in_time(seconds: float, call: Callable[..., Any], *args: Any) -> Any:
    started = time.monotonic()
    try:
        return call(*args)
    finally:
        assert time.monotonic() - started < seconds


# The URL


def test_a_single_server_is_no_cluster(own_redis):
    own_redis.client.config_set("requirepass", "sesame")
    place = f"{HOST}:{own_redis.port}/0"
    backend = RedisBackend(f"redis+cluster://:sesame@{place}")

    with pytest.raises(ConfigurationError) as error:
        backend.acquire("key", FIRST, expire=10)

    assert str(error.value) == (
        f"redis+cluster://:**@{place} is no node of a Redis Cluster, but a single "
        f"server: say redis://:**@{place}"
    )


def test_a_cluster_without_slots_is_a_store_error(tmp_path):
    with ClusterNode(tmp_path) as node:
        backend = RedisBackend(f"redis+cluster://{HOST}:{node.port}")

        with pytest.raises(LockStoreError, match="no slots"):
            backend.acquire("key", FIRST, expire=10)


@pytest.mark.parametrize("url", BAD_URLS.values(), ids=BAD_URLS)
def test_a_url_that_cannot_be_used_is_an_error_without_the_password(url):
    with pytest.raises(ConfigurationError) as error:
        RedisBackend(url)

    assert "sesame" not in str(error.value)


def test_any_of_the_nodes_leads_to_all(redis_cluster, cluster_url):
    silent = f"redis+cluster://{HOST}:1"
    RedisBackend(cluster_url).acquire("key", FIRST, expire=10)

    refused = RedisBackend(f"{silent};{cluster_url}").acquire("key", SECOND, expire=10)

    assert isinstance(refused, Held)


def test_one_store_is_the_same_in_whatever_order_its_nodes_are_named():
    one = RedisBackend("redis+cluster://one;redis+cluster://two:6380")
    same = RedisBackend("redis+cluster://two:6380;redis+cluster://one:6379/0")

    assert one.fingerprint == same.fingerprint
    assert one.fingerprint != RedisBackend("redis+cluster://one").fingerprint
    assert one.fingerprint != RedisBackend("redis://one").fingerprint


def test_a_client_of_your_own_is_used(redis_cluster, cluster_url):
    client = RedisCluster.from_url(cluster_url.replace("+cluster", ""))
    backend = RedisBackend(client=client)

    assert isinstance(backend.acquire("key", FIRST, expire=10), Acquired)
    assert backend.renew(renewals(["key"])) == [Renewed.HELD]
    client.close()


def test_a_client_survives_a_fork(backend):
    backend.acquire("key", FIRST, expire=10)

    def in_child() -> list[object]:
        refused = backend.acquire("key", record_of("child"), expire=10)
        return [refused, backend.acquire("child's", record_of("child"), expire=10)]

    refused, taken = in_fork(in_child)

    assert isinstance(refused, Held)
    assert isinstance(taken, Acquired)
    assert backend.release("key", FIRST.token)
