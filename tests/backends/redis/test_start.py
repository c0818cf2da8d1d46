"""Checks of our rights on Redis when a worker starts."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.servers import RedisServer
from unique_task import LockStoreRefusedError, RedisBackend
from unique_task.backends.redis.start_checks import COMMANDS
from unique_task.backends.registry import backend_class

NEEDED = COMMANDS.replace(" and ", ", ").lower().split(", ")


@pytest.fixture
def server(redis_server: RedisServer, redis_url: str) -> Iterator[RedisServer]:
    yield redis_server
    redis_server.client.acl_deluser("guest")


def guest(server: RedisServer, *rights: str) -> RedisBackend:
    """The store of a user with these rights."""
    client: Any = server.client
    client.execute_command(
        "ACL", "SETUSER", "guest", "reset", "on", ">sesame", "~unique:*", *rights
    )
    return RedisBackend(server.url.replace("redis://", "redis://guest:sesame@"))


@pytest.mark.parametrize("command", NEEDED)
def test_a_missing_right_is_an_error_at_the_start(server, command):
    RedisBackend(server.url).check()  # so that the server knows the scripts

    with pytest.raises(LockStoreRefusedError, match=f"(?i)'{command}'.* command"):
        guest(server, "+@all", f"-{command}").check()


def test_the_rights_that_are_named_are_enough(server):
    guest(server, *(f"+{command}" for command in NEEDED)).check()


def test_a_right_that_is_missing_on_one_primary_is_an_error(cluster_url, redis_cluster):
    backend = backend_class(cluster_url).from_url(cluster_url, 20)
    backend.check()
    client = redis_cluster.nodes[-1].client
    client.execute_command("ACL", "SETUSER", "default", "-pexpire")
    try:
        with pytest.raises(LockStoreRefusedError, match="'pexpire'"):
            backend.check()
    finally:
        client.execute_command("ACL", "SETUSER", "default", "+@all")
