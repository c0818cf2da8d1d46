"""Keeps a process's connections to a database open from one operation to the next."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar
from weakref import finalize

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from ...forks import in_forks_of
from .errors import is_read_only

Result = TypeVar("Result")


class Connections:
    """Lends each connection to one thread at a time, and opens more if all are lent.

    To borrow one from a pool of SQLAlchemy and to give it back takes longer than
    SQLite takes to lock. And what it does then to end the caller's transaction is one
    more round trip to MariaDB, although we leave none open.

    Arguments:
        connect: opens a connection whose every statement is a transaction.

    Attributes:
        keep: False to close each connection after its use.
    """

    keep = True

    def __init__(self, connect: Callable[[], sa.Connection]) -> None:
        self._connect = connect
        # Its methods are single steps: threads and signal handlers may call them.
        self._idle: list[sa.Connection] = []
        in_forks_of(self._leave_all)
        # They are closed with this object, not when they are collected.
        finalize(self, _close_all, self._idle, os.getpid())

    def lend(self, work: Callable[[sa.Connection], Result]) -> Result:
        """Do `work` on a connection; drop it if an error leaves its state in doubt."""
        connection = self._one()
        try:
            result = work(connection)
        except BaseException as error:
            self._take_back(connection, error)
            raise
        self._idle.append(connection)
        if not self.keep:
            self.close()
        return result

    def _one(self) -> sa.Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()

    def _take_back(self, connection: sa.Connection, error: BaseException) -> None:
        # A time limit may end it anywhere, and a server may have become a replica.
        known = isinstance(error, SQLAlchemyError) and not is_read_only(error)
        if known and not connection.invalidated:
            self._idle.append(connection)
        else:
            _drop(connection)

    def close(self) -> None:
        """Close all connections that are not lent."""
        _close_all(self._idle, os.getpid())

    def _leave_all(self) -> None:
        _leave_to_parent(self._idle)


class FileConnections(Connections):
    """Leaves a file that was moved or deleted: other processes use a new one.

    Arguments:
        connect: opens a connection to the file at `path`.
    """

    def __init__(self, connect: Callable[[], sa.Connection], path: str) -> None:
        super().__init__(connect)
        # Absolute: a task may change the current directory.
        self._path = os.path.abspath(path)

    def _one(self) -> sa.Connection:
        file = _identity_of(self._path)
        connection = super()._one()
        if connection.info.setdefault("file", file) == file:
            return connection
        _drop(connection)
        return self._one()


def _identity_of(path: str) -> object:
    """Return what tells the file at `path` from others; None if there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _close_all(idle: list[sa.Connection], pid: int) -> None:
    if os.getpid() != pid:
        return _leave_to_parent(idle)
    with suppress(IndexError):
        while True:
            _drop(idle.pop())


def _leave_to_parent(idle: list[sa.Connection]) -> None:
    """Forget the connections in a fork; to close them would end the parent's."""
    for connection in idle:
        connection.detach()
    idle.clear()


def _drop(connection: sa.Connection) -> None:
    # Invalid, it is closed without a rollback, which a server that hangs never answers.
    connection.invalidate()
    connection.close()
