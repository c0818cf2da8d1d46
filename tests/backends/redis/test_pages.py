"""How locks in Redis are listed: without a stop for others, and what may fail."""

from typing import Any

import pytest

from tests.backends.stores import FIRST, LEASE, SECOND, connect, in_time
from tests.servers import ClusterNode
from tests.waiting import wait_until
from unique_task import LockStoreError, LockStoreRefusedError, RedisBackend


def take(backend: RedisBackend, count: int) -> list[str]:
    keys = [f"key {number:03d}" for number in range(count)]
    for key in keys:
        backend.acquire(key, FIRST, LEASE)
    return keys


def test_a_page_takes_three_trips_at_most_and_no_command_that_stops_redis(
    redis_proxy, client
):
    backend = RedisBackend(redis_proxy.url)
    take(backend, 400)
    backend.acquire("several", FIRST, LEASE, limit=2)
    backend.acquire("several", SECOND, LEASE, limit=2)
    for number in range(2000):
        client.set(f"of somebody else {number}", "x")
    client.config_resetstat()
    redis_proxy.requests = 0

    assert len(list(backend.locks(page=100))) >= 401

    stats: Any = client.info("commandstats")
    # A step of SCAN ends within a bucket, so a page has a few more keys than it asks.
    scans = stats["cmdstat_scan"]["calls"]
    assert 10 < scans <= 2403 / 100 + 1
    assert redis_proxy.requests <= 3 * scans
    assert "cmdstat_keys" not in stats


def test_keys_of_others_are_no_locks_and_no_error(backend, client):
    backend.acquire("key", FIRST, LEASE)
    client.set("unique:key", "no braces")
    client.hset("unique:{hash}", "no", "text")
    client.set("another:unique:{key}", "prefix")
    client.set(b"unique:{\xff\xfe}", "no record")

    found = {lock.name: lock for lock in backend.locks()}

    assert sorted(found) == ["key", "\udcff\udcfe"]
    assert found["\udcff\udcfe"].unreadable
    assert not found["key"].unreadable


def test_a_lock_that_somebody_made_endless_is_listed_so(backend, client):
    backend.acquire("key", FIRST, LEASE)
    client.persist("unique:{key}")

    [lock] = backend.locks()

    assert lock.remaining == lock.holders[0].remaining == float("inf")


def test_a_lock_that_ends_between_scan_and_read_is_not_listed(redis_proxy, client):
    backend = RedisBackend(redis_proxy.url)
    keys = take(backend, 3)

    def end_one(reply: bytes) -> tuple[bytes, bool]:
        if keys[0].encode() in reply:  # that of SCAN
            client.delete(f"unique:{{{keys[0]}}}")
        return reply, True

    redis_proxy.change_replies(end_one)

    assert sorted(str(lock.name) for lock in backend.locks()) == keys[1:]


def test_a_user_without_the_right_to_scan_is_refused(redis_server, redis_url):
    rights = {"keys": ["*"], "commands": ["+@all", "-scan"]}
    redis_server.client.acl_setuser("blind", True, passwords=["+sesame"], **rights)
    backend = RedisBackend(redis_url.replace("redis://", "redis://blind:sesame@"))
    backend.check()

    with pytest.raises(LockStoreRefusedError, match="scan"):
        list(backend.locks())
    redis_server.client.acl_deluser("blind")


# A Cluster of which a part is down


@pytest.mark.parametrize("end", ["kill", "pause"])
def test_a_primary_that_is_down_costs_its_own_locks_only(own_cluster, end):
    backend = RedisBackend(own_cluster.url, timeout=4)
    down, *others = own_cluster.keys()
    for key in (down, *others):
        backend.acquire(key, FIRST, LEASE)
        backend.acquire(key, SECOND, LEASE, limit=2)
    getattr(own_cluster.nodes[0], end)()

    found = []
    port = own_cluster.nodes[0].port
    with in_time(30):
        with pytest.raises(LockStoreError, match=f"1 of 3 primaries .*:{port}: "):
            for lock in backend.locks():
                found.append(lock.name)

    assert set(found) == set(others) and len(found) == 2


def test_a_cluster_of_which_no_primary_answers_is_given_up_in_time(own_cluster):
    backend = RedisBackend(own_cluster.url, timeout=0.8)
    connect(backend, own_cluster.keys())
    for node in own_cluster.nodes:
        node.pause()

    with in_time(4 * 0.8), pytest.raises(LockStoreError):
        list(backend.locks())


def test_a_replica_that_took_the_place_of_its_primary_is_listed(own_cluster, tmp_path):
    (tmp_path / "replica").mkdir()
    with ClusterNode(tmp_path / "replica") as replica:
        own_cluster.add_replica(replica)
        backend = RedisBackend(own_cluster.url)
        keys = own_cluster.keys()
        for key in keys:
            backend.acquire(key, FIRST, LEASE)
        down = own_cluster.nodes[0]
        wait_until(lambda: replica.client.dbsize() == down.client.dbsize())

        down.kill()
        own_cluster.nodes[0] = replica
        wait_until(lambda: replica.role == "master", timeout=20)
        assert own_cluster.node_of(keys[0]) is replica

        assert sorted(str(lock.name) for lock in backend.locks()) == sorted(keys)
