"""Checks our rights on the Redis servers when a worker starts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from redis.cluster import RedisCluster

#: The commands that our user of Redis needs the right to.
COMMANDS = "EVAL, EVALSHA, GET, SET, DEL, PEXPIRE, PTTL and TIME"

#: Those that a lock need not meet at the start, on a key that no lock has: scripts run
#: them, or, as EVAL, they send a script that the server does not have yet.
_PLAIN: tuple[tuple[str, ...], ...] = (
    ("EVAL", "return 1", "1", "{}"),
    ("SET", "{}", "", "PX", "1000"),
    ("GET", "{}"),
    ("PTTL", "{}"),
    ("PEXPIRE", "{}", "1000"),
    ("DEL", "{}"),
    ("TIME",),
)

#: Those that only counters need, and one that removes what they leave.
COUNTING: tuple[tuple[str, ...], ...] = (
    ("HINCRBYFLOAT", "{}", "", "0"),
    ("HGETALL", "{}"),
    ("DEL", "{}"),
)

#: Keys that we try until each primary of a cluster has one.
_TRIES = 1000


def try_commands(
    client: Any, name: str, commands: Sequence[Sequence[str]] = _PLAIN
) -> list[str]:
    """Run each of our commands on the server of the key `name`.

    Returns:
        An empty list; a command that we may not run raises the server's error.
    """
    server = _server_of(client, name)
    for words in commands:
        server.execute_command(*(word.replace("{}", name) for word in words))
    return []


def _server_of(client: Any, name: str) -> Any:
    if not isinstance(client, RedisCluster):
        return client
    cluster: Any = client
    return cluster.get_redis_connection(cluster.get_node_from_key(name))


def keys_to_check(client: Any, lock: Callable[[str], str]) -> list[str]:
    """Return one key on each server, as a user may have other rights on each.

    Arguments:
        lock: returns the name of a key's lock.
    """
    return list(_keys(client, lock))


def _keys(client: Any, lock: Callable[[str], str]) -> Iterator[str]:
    # With a nonce: no other process holds it.
    nonce = os.urandom(6).hex()
    if not isinstance(client, RedisCluster):
        yield f"check {nonce}"
        return
    cluster: Any = client
    left = {node.name for node in cluster.get_primaries()}
    for number in range(_TRIES):
        key = f"check {nonce} {number}"
        node = cluster.get_node_from_key(lock(key)).name
        if node in left:
            left.remove(node)
            yield key
        if not left:
            return
