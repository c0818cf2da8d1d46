"""Lists the locks of each Redis server, page by page, while others use it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from redis.cluster import RedisCluster

from ...exceptions import LockStoreError
from ..listing import MOST_HOLDERS, ListedLock, listed
from .clients import Client
from .script import Eval
from .script_calls import Call, Names, held_of, seconds_of
from .scripts import GET
from .several_calls import is_anchor, several_call
from .several_scripts import HOLDERS


class Pages:
    """The locks of a client's servers.

    SCAN looks at some keys of a server, and others are answered before it looks at the
    next. Each page takes it three trips at most, each in the time of an operation.

    Arguments:
        prefix: of the keys; the locks are named without it.
        size: how many keys of a server SCAN looks at.
    """

    def __init__(self, client: Client, names: Names, prefix: str, size: int) -> None:
        self._client = client
        self._driver = client.driver
        self._names = names
        self._prefix = prefix
        self._pattern = names.locks(prefix)
        self._size = size

    def of_all_servers(
        self, errors: tuple[type[Exception], ...]
    ) -> Iterator[Sequence[ListedLock]]:
        """Yield pages; a server that fails costs its own locks only.

        Arguments:
            errors: those of the driver.

        Raises:
            LockStoreError: at the end, if some of the servers have failed.
        """
        servers, asked = self._driver.ask(_primaries), set[str]()
        failed: dict[str, Exception] = {}
        while left := [server for server in servers if server not in asked]:
            for server in left:
                asked.add(server)
                try:
                    yield from self._of_server(server)
                except errors as error:
                    failed[server] = error
            if failed:
                servers = self._primaries_now(errors) or servers
        self._tell(servers, {one: failed[one] for one in failed if one in servers})

    def _primaries_now(self, errors: tuple[type[Exception], ...]) -> list[str]:
        """Return the primaries once more: a replica may be one of them by now."""
        with suppress(*errors):
            return self._driver.ask(_new_primaries)
        return []

    def _tell(self, servers: list[str], failed: dict[str, Exception]) -> None:
        if not failed:
            return
        first, *_ = failed.values()
        if len(failed) == len(servers):
            raise first
        reasons = "; ".join(f"{name}: {error}" for name, error in failed.items())
        raise LockStoreError(
            f"{self._client.name}: the locks of {len(failed)} of {len(servers)} "
            f"primaries are missing: {reasons}"
        ) from first

    def _of_server(self, server: str) -> Iterator[Sequence[ListedLock]]:
        cursor: int | None = None
        failed: list[Exception] = []
        while cursor != 0 and not failed:
            look = partial(self._look, server=server, cursor=cursor or 0)
            cursor, names = self._driver.ask(look)
            locks, failed = self._read(list(dict.fromkeys(names)))
            yield locks
        if failed:
            raise failed[0]

    def _look(self, client: Any, server: str, cursor: int) -> tuple[int, list[bytes]]:
        how: Any = {"match": self._pattern, "count": self._size, "_type": "string"}
        found: tuple[int, list[bytes]] = _client_of(client, server).scan(cursor, **how)
        return found

    def _read(self, names: list[bytes]) -> tuple[list[ListedLock], list[Exception]]:
        """Return the locks that are held, and the errors in place of the others."""
        found, failed = self._eval_all(names, lambda name: (GET, [name], ()))
        shared = {name for name, (record, _) in found.items() if is_anchor(record)}
        crowds, more_failed = self._eval_all(shared, self._crowd)
        alone = {name: [one] for name, one in found.items() if name not in shared}
        locks = [
            lock
            for name, holders in (alone | crowds).items()
            for lock in self._listed(name, found[name][1], holders)
        ]
        return locks, failed + more_failed

    def _eval_all(
        self, names: Collection[bytes], script: Callable[[bytes], Eval]
    ) -> tuple[dict[bytes, Any], list[Exception]]:
        """Run a script for each lock; return the answers, and the errors."""
        if not names:
            return {}, []
        answers = dict(zip(names, self._driver.eval_all(list(map(script, names)))))
        errors = {k: one for k, one in answers.items() if isinstance(one, Exception)}
        good = {k: one for k, one in answers.items() if k not in errors}
        return good, list(errors.values())

    def _crowd(self, lock: bytes) -> Eval:
        key = self._names.key(lock)
        call: Call = [self._names.lock(key)], []
        return HOLDERS, *several_call(self._names, key, MOST_HOLDERS, call)

    def _listed(
        self, lock: bytes, left: int, holders: list[tuple[bytes | None, int]]
    ) -> Sequence[ListedLock]:
        name = self._names.key(lock)[len(self._prefix) :]
        # It may have ended since SCAN found it.
        held = [(record, rest) for record, rest in holders if record is not None]
        return listed(name, seconds_of(left), lambda: [held_of(*one) for one in held])


def _primaries(client: Any) -> list[str]:
    """Return the names of the servers that have locks; of a single one, "" """
    if not isinstance(client, RedisCluster):
        return [""]
    cluster: Any = client
    return [node.name for node in cluster.get_primaries()]


def _new_primaries(client: Any) -> list[str]:
    """Return the same when the client has asked who they are."""
    if isinstance(client, RedisCluster):
        client.nodes_manager.initialize()
    return _primaries(client)


def _client_of(client: Any, server: str) -> Any:
    if not isinstance(client, RedisCluster):
        return client
    cluster: Any = client
    return cluster.get_redis_connection(cluster.get_node(node_name=server))
