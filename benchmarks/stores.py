"""What a lock costs in each store, beside the least statements that lock there."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.measured import Measured, time_over_raw
from benchmarks.pairs import in_pairs
from benchmarks.row import Row, at_most
from benchmarks.stage import Stage
from benchmarks.store import LEASE, TURNS, batches, fresh_token, lock_once, record
from tests.servers import MariaDBServer, MemcachedServer, PostgreSQLServer
from unique_task.backends.base import Backend
from unique_task.backends.memcached import MemcachedBackend
from unique_task.backends.sql import SQLBackend

TABLE = "CREATE TABLE plain_locks (name VARCHAR(200) PRIMARY KEY, token VARCHAR(200))"
TAKE = "INSERT INTO plain_locks VALUES ('plain', {0}) ON CONFLICT DO NOTHING"
TAKE_IGNORING = "INSERT IGNORE INTO plain_locks VALUES ('plain', {0})"
FREE = "DELETE FROM plain_locks WHERE name = 'plain' AND token = {0}"

Plain = Callable[[str], object]

#: Starts a store, and returns our backend and the least that locks there.
Start = Callable[[ExitStack], tuple[Backend, Plain]]


def _postgresql(stack: ExitStack) -> tuple[Backend, Plain]:
    server = stack.enter_context(PostgreSQLServer(_directory(stack)))
    connection = stack.enter_context(server.connect())
    return SQLBackend(server.url), _statements(connection, TAKE, "%s")


def _mariadb(stack: ExitStack) -> tuple[Backend, Plain]:
    server = stack.enter_context(MariaDBServer(_directory(stack)))
    cursor = stack.enter_context(server.connect()).cursor()
    return SQLBackend(server.url), _statements(cursor, TAKE_IGNORING, "%s")


def _sqlite(stack: ExitStack) -> tuple[Backend, Plain]:
    file = _directory(stack) / "locks.sqlite"
    backend = SQLBackend(f"sqlite:///{file}")
    backend.get("key")  # which chooses how the file is written
    connection = sqlite3.connect(file, isolation_level=None)
    stack.callback(connection.close)
    connection.execute("PRAGMA synchronous=NORMAL")
    return backend, _statements(connection, TAKE, "?")


def _memcached(stack: ExitStack) -> tuple[Backend, Plain]:
    server = stack.enter_context(MemcachedServer(_directory(stack)))

    def lock(token: str) -> None:
        server.client.add("plain", token, expire=int(LEASE), noreply=False)
        server.client.delete("plain", noreply=False)

    return MemcachedBackend(server.url), lock


def _statements(client: Any, take: str, mark: str) -> Plain:
    client.execute(TABLE)
    take, free = take.format(mark), FREE.format(mark)

    def lock(token: str) -> None:
        client.execute(take, (token,))
        client.execute(free, (token,))

    return lock


def _directory(stack: ExitStack) -> Path:
    return Path(stack.enter_context(TemporaryDirectory()))


def _beside_bare(start: Start, stage: Stage) -> Measured:
    with ExitStack() as stack:
        backend, plain = start(stack)
        ours = batches(partial(lock_once, backend), record)
        return time_over_raw(
            in_pairs(ours, batches(plain, fresh_token), stage.pairs, TURNS)
        )


ROWS = [
    Row(f"take + free in {name}", at_most(goal), partial(_beside_bare, start))
    for name, goal, start in (
        ("PostgreSQL", 2.0, _postgresql),
        ("MariaDB", 2.0, _mariadb),
        ("SQLite", 2.5, _sqlite),
        ("memcached", 2.0, _memcached),
    )
]
