"""What of the Redis servers may end a lock early: evictions, restarts, fail-overs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from redis.cluster import RedisCluster
from redis.exceptions import ResponseError

from ..findings import Finding, Level

_POLICY = "maxmemory-policy"

#: The policy that keeps all keys, and so all locks.
_KEEPS = "noeviction"

#: What the servers say of their last write to a disk.
_WRITES = ("rdb_last_bgsave_status", "aof_last_write_status")


def server_state(client: Any, replicated: bool) -> list[Finding]:
    """Return what is found of the servers.

    Arguments:
        replicated: whether the client follows a fail-over.
    """
    return [*_eviction(client), _persistence(client), _replicas(client, replicated)]


def _eviction(client: Any) -> Iterator[Finding]:
    policies = set(_policies(client)) - {""}
    if not policies:
        yield Finding("eviction", Level.UNKNOWN, f"we may not read {_POLICY}")
    elif policies == {_KEEPS}:
        yield Finding("eviction", Level.OK, f"{_POLICY} is {_KEEPS}")
    for policy in sorted(policies - {_KEEPS}):
        yield Finding(
            "eviction",
            Level.WARN,
            f"Redis has {_POLICY} {policy}: when its memory is full, it deletes held "
            "locks without an error, and two tasks may then run at once",
            f"set it to {_KEEPS}, or give the locks a Redis of their own",
        )


def _policies(client: Any) -> Iterator[str]:
    """Yield the policy of each server for a full memory, if we may read it."""
    try:
        for memory in _each(client, lambda **to: client.info("memory", **to)):
            yield str(memory.get("maxmemory_policy", ""))
    except ResponseError:
        yield from _configured(client, _POLICY) or ()


def _persistence(client: Any) -> Finding:
    states = _section(client, "persistence")
    if states is None:
        return _persisted(Level.UNKNOWN, "we may not read INFO persistence")
    if any(state.get(name) == "err" for state in states for name in _WRITES):
        advice = "look into the log of Redis: it may refuse to take locks"
        return _persisted(Level.WARN, "Redis cannot write to its disk", advice)
    if all(state.get("aof_enabled") for state in states):
        return _persisted(Level.OK, "Redis has appendonly yes: locks survive a restart")
    saves = _configured(client, "save")
    if saves is None:
        return _persisted(Level.UNKNOWN, "appendonly is no, and we may not read save")
    if all(saves):
        found = "Redis saves snapshots: a crash loses the locks since the last one"
        return _persisted(Level.OK, found)
    return _persisted(
        Level.WARN,
        "Redis writes no key to a disk: a restart loses all locks, those of queued "
        "calls for good, and those of running tasks until they are renewed",
        "set appendonly yes",
    )


def _persisted(level: Level, found: str, advice: str = "") -> Finding:
    return Finding("persistence", level, found, advice, at_start=False)


def _replicas(client: Any, replicated: bool) -> Finding:
    states = _section(client, "replication")
    if states is None:
        return _replicated(Level.UNKNOWN, "we may not read INFO replication")
    fewest = min(state.get("connected_slaves", 0) for state in states)
    if not replicated:
        found = f"one server, with {fewest} replicas; a restart keeps its address"
        return _replicated(Level.OK, found)
    if fewest:
        found = f"each server has {fewest} or more replicas: a fail-over loses the "
        found += "locks of the moment before it that were not yet replicated"
        return _replicated(Level.OK, found)
    found = "a server has no replica: while it is down, its locks cannot be taken"
    return _replicated(Level.WARN, found, "add a replica")


def _replicated(level: Level, found: str, advice: str = "") -> Finding:
    return Finding("replicas", level, found, advice, at_start=False)


def _section(client: Any, name: str) -> list[Mapping[Any, Any]] | None:
    """Return a section of INFO of each server; None if we may not read it."""
    try:
        return list(_each(client, lambda **to: client.info(name, **to)))
    except ResponseError:
        return None


def _configured(client: Any, name: str) -> list[str] | None:
    """Return a setting of each server; None if we may not read it."""
    try:
        found = _each(client, lambda **to: client.config_get(name, **to))
    except ResponseError:
        return None
    return list(map(_text, found))


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
