"""Checks of the Redis servers at a worker's start: our rights, and evictions."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from redis.cluster import RedisCluster
from redis.exceptions import ResponseError

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

_POLICY = "maxmemory-policy"

#: The policy that keeps all keys, and so all locks.
_KEEPS = "noeviction"

#: Keys that we try until each primary of a cluster has one.
_TRIES = 1000


def try_commands(client: Any, name: str) -> list[str]:
    """Run each of our commands on the server of the key `name`.

    Returns:
        An empty list; a command that we may not run raises the server's error.
    """
    server = _server_of(client, name)
    for words in _PLAIN:
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


def evictions(client: Any) -> list[str]:
    """Return a warning for each policy of the servers that evicts held locks."""
    policies = sorted(set(_policies(client)) - {_KEEPS, ""})
    return [
        f"Redis has {_POLICY} {policy}: when its memory is full, it deletes "
        "held locks without an error, and two tasks may then run at once; set it to "
        f"{_KEEPS}, or give the locks a Redis of their own"
        for policy in policies
    ]


def _policies(client: Any) -> Iterator[str]:
    """Yield the policy of each server for a full memory, if we may read it."""
    try:
        for memory in _each(client, lambda **to: client.info("memory", **to)):
            yield str(memory.get("maxmemory_policy", ""))
    except ResponseError:
        yield from _configured(client)


def _configured(client: Any) -> Iterator[str]:
    try:
        for found in _each(client, lambda **to: client.config_get(_POLICY, **to)):
            yield str(_text(found))
    except ResponseError:
        return  # we may not read it


def _text(found: Mapping[Any, Any]) -> str:
    value = next(iter(found.values()), "")
    return value.decode() if isinstance(value, bytes) else str(value)


def _each(
    client: Any, ask: Callable[..., Mapping[Any, Any]]
) -> Iterable[Mapping[Any, Any]]:
    """Return the answer of each server."""
    if not isinstance(client, RedisCluster):
        return [ask()]
    cluster: Any = client
    return [ask(target_nodes=node) for node in cluster.get_primaries()]
