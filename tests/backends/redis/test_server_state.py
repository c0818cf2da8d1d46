"""What is found of Redis servers: evictions, restarts, fail-overs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers import RedisServer
from tests.waiting import wait_until
from unique_task import RedisBackend
from unique_task.backends.base import Backend
from unique_task.backends.findings import Finding, Level
from unique_task.backends.registry import backend_class

SEVERAL = {"sentinel_url": "redis_sentinels", "cluster_url": "redis_cluster"}


@pytest.fixture
def server(redis_server: RedisServer, redis_url: str) -> Iterator[RedisServer]:
    client: Any = redis_server.client
    yield redis_server
    for setting in (
        ("maxmemory-policy", "noeviction"),
        ("save", ""),
        ("appendonly", "no"),
    ):
        client.config_set(*setting)
    client.acl_deluser("guest")


def guest(server: RedisServer, *rights: str) -> RedisBackend:
    """The store of a user without some rights."""
    client: Any = server.client
    client.execute_command(
        "ACL", "SETUSER", "guest", "reset", "on", ">sesame", "~*", "+@all", *rights
    )
    return RedisBackend(server.url.replace("redis://", "redis://guest:sesame@"))


def found(name: str, backend: Backend) -> Finding:
    [finding] = [one for one in backend.findings() if one.name == name]
    return finding


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl", "allkeys-random"])
def test_a_redis_that_evicts_held_locks_is_warned_of(server, policy):
    server.client.config_set("maxmemory-policy", policy)

    finding = found("eviction", RedisBackend(server.url))

    assert finding.level is Level.WARN
    assert finding.at_start
    assert f"maxmemory-policy {policy}" in finding.found
    assert "noeviction" in finding.advice


def test_a_redis_that_keeps_all_is_not_warned_of(server):
    assert found("eviction", RedisBackend(server.url)).level is Level.OK


@pytest.mark.parametrize("rights", [["-info"], ["-config"], ["-info", "-config"]])
def test_the_policy_is_read_by_info_or_by_config(server, rights):
    server.client.config_set("maxmemory-policy", "volatile-lru")

    level = found("eviction", guest(server, *rights)).level

    assert level is (Level.WARN if len(rights) < 2 else Level.UNKNOWN)


@pytest.mark.parametrize("url", SEVERAL)
def test_one_server_of_several_that_evicts_locks_is_warned_of(url, request):
    backend = opened(request.getfixturevalue(url))
    servers: Any = request.getfixturevalue(SEVERAL[url])
    one = servers.master if url == "sentinel_url" else servers.nodes[-1]
    assert found("eviction", backend).level is Level.OK

    one.client.config_set("maxmemory-policy", "allkeys-lfu")

    assert "allkeys-lfu" in found("eviction", backend).found
    one.client.config_set("maxmemory-policy", "noeviction")


def opened(url: str) -> Backend:
    return backend_class(url).from_url(url, 20)


def test_a_redis_that_writes_nothing_to_a_disk_is_warned_of(server):
    finding = found("persistence", RedisBackend(server.url))

    assert finding.level is Level.WARN
    assert "appendonly" in finding.advice


@pytest.mark.parametrize(
    "setting, kept",
    [(("appendonly", "yes"), "survive a restart"), (("save", "3600 1"), "snapshots")],
)
def test_a_redis_that_writes_to_a_disk_is_not_warned_of(server, setting, kept):
    server.client.config_set(*setting)

    finding = found("persistence", RedisBackend(server.url))

    assert finding.level is Level.OK
    assert kept in finding.found


def test_a_redis_that_cannot_write_to_its_disk_is_warned_of(own_redis):
    client: Any = own_redis.client
    client.config_set("appendonly", "yes")
    directory = Path(client.config_get("dir")["dir"])
    (directory / "dump.rdb").mkdir()  # which no file can replace

    def is_told() -> bool:
        return bool(client.info("persistence")["rdb_last_bgsave_status"] == "err")

    client.bgsave(schedule=True)
    wait_until(is_told)

    finding = found("persistence", RedisBackend(own_redis.url))
    assert finding.level is Level.WARN
    assert "cannot write" in finding.found


@pytest.mark.parametrize("right", ["-info", "-config"])
def test_what_redis_may_not_tell_of_its_disk_is_not_guessed(server, right):
    assert found("persistence", guest(server, right)).level is Level.UNKNOWN


def test_what_redis_may_not_tell_of_its_replicas_is_not_guessed(server):
    assert found("replicas", guest(server, "-info")).level is Level.UNKNOWN
    assert found("replicas", RedisBackend(server.url)).level is Level.OK


def test_a_server_of_a_cluster_without_replica_is_warned_of(cluster_url):
    finding = found("replicas", opened(cluster_url))

    assert finding.level is Level.WARN
    assert "no replica" in finding.found


def test_a_master_with_replicas_is_not_warned_of(sentinel_url):
    finding = found("replicas", opened(sentinel_url))

    assert finding.level is Level.OK
    assert "1 or more replicas" in finding.found


def test_a_worker_does_not_warn_of_what_is_a_choice(server):
    """Only who asks hears that Redis keeps nothing over a restart."""
    quiet = [
        one.name for one in RedisBackend(server.url).findings() if not one.at_start
    ]

    assert quiet == ["counters", "persistence", "replicas"]
