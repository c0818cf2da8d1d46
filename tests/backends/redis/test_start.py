"""Checks of Redis when a worker starts: evictions and rights."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.servers import RedisServer
from unique_task import LockStoreRefusedError, RedisBackend
from unique_task.backends.base import Backend
from unique_task.backends.redis.start_checks import COMMANDS
from unique_task.backends.registry import backend_class

NEEDED = COMMANDS.replace(" and ", ", ").lower().split(", ")


@pytest.fixture
def server(redis_server: RedisServer, redis_url: str) -> Iterator[RedisServer]:
    yield redis_server
    redis_server.client.config_set("maxmemory-policy", "noeviction")
    redis_server.client.acl_deluser("guest")


def guest(server: RedisServer, *rights: str) -> RedisBackend:
    """The store of a user with these rights."""
    client: Any = server.client
    client.execute_command(
        "ACL", "SETUSER", "guest", "reset", "on", ">sesame", "~unique:*", *rights
    )
    return RedisBackend(server.url.replace("redis://", "redis://guest:sesame@"))


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl", "allkeys-random"])
def test_a_redis_that_evicts_held_locks_is_warned_of(server, policy):
    server.client.config_set("maxmemory-policy", policy)

    [warning] = RedisBackend(server.url).warnings()

    assert f"maxmemory-policy {policy}" in warning
    assert "noeviction" in warning


def test_a_redis_that_keeps_all_is_not_warned_of(server):
    assert RedisBackend(server.url).warnings() == []


@pytest.mark.parametrize("rights", [["-info"], ["-config"], ["-info", "-config"]])
def test_the_policy_is_read_by_info_or_by_config(server, rights):
    server.client.config_set("maxmemory-policy", "volatile-lru")

    warnings = guest(server, "+@all", *rights).warnings()

    assert len(warnings) == (len(rights) < 2)


SEVERAL = {"sentinel_url": "redis_sentinels", "cluster_url": "redis_cluster"}


@pytest.mark.parametrize("url", SEVERAL)
def test_one_server_of_several_that_evicts_locks_is_warned_of(url, request):
    backend: Backend = _opened(request.getfixturevalue(url))
    servers: Any = request.getfixturevalue(SEVERAL[url])
    one = servers.master if url == "sentinel_url" else servers.nodes[-1]
    assert backend.warnings() == []

    one.client.config_set("maxmemory-policy", "allkeys-lfu")

    assert "allkeys-lfu" in backend.warnings()[0]
    one.client.config_set("maxmemory-policy", "noeviction")


def _opened(url: str) -> Backend:
    return backend_class(url).from_url(url, 20)


@pytest.mark.parametrize("command", NEEDED)
def test_a_missing_right_is_an_error_at_the_start(server, command):
    RedisBackend(server.url).check()  # so that the server knows the scripts

    with pytest.raises(LockStoreRefusedError, match=f"(?i)'{command}'.* command"):
        guest(server, "+@all", f"-{command}").check()


def test_the_rights_that_are_named_are_enough(server):
    guest(server, *(f"+{command}" for command in NEEDED)).check()


def test_a_right_that_is_missing_on_one_primary_is_an_error(cluster_url, redis_cluster):
    backend = _opened(cluster_url)
    backend.check()
    client = redis_cluster.nodes[-1].client
    client.execute_command("ACL", "SETUSER", "default", "-pexpire")
    try:
        with pytest.raises(LockStoreRefusedError, match="'pexpire'"):
            backend.check()
    finally:
        client.execute_command("ACL", "SETUSER", "default", "+@all")
