"""Runs work in a database, repeats it where that helps, and creates the table."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from functools import partial
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ...exceptions import LockStoreRefusedError
from ..findings import Finding, Level
from .connections import Connections, FileConnections
from .deadline import limited, seconds_left
from .engine import Login, open_engine
from .errors import (
    is_for_now,
    is_full,
    is_locked,
    is_missing,
    is_read_only,
    is_refusal,
    reason_of,
)
from .fork_gate import ForkGate
from .table import ddl_of

Result = TypeVar("Result")

#: Errors of drivers about an option of the URL, or about a module they lack.
_NO_OPTION = (TypeError, ValueError, AttributeError, RuntimeError, ImportError)

#: Seconds between two tries on a server that is read-only or full.
_PAUSE = 0.1

#: Greatest such pause where another process writes to the file of SQLite.
_LOCKED = 0.01

#: A client that stalls in a transaction must not keep others out for long. SET LOCAL:
#: behind a pooler, a setting must end with the transaction.
_BEGIN = {
    "postgresql": "BEGIN ISOLATION LEVEL READ COMMITTED; "
    "SET LOCAL idle_in_transaction_session_timeout = {0}; "
    "SET LOCAL lock_timeout = {0}",
    "sqlite": "BEGIN IMMEDIATE",
}
#: MariaDB in the mode of another database reads BEGIN as a block of code.
_BEGIN_ELSE = "START TRANSACTION"


class Database:
    """A database with our table, which is created when a statement misses it.

    Arguments:
        name: of the store, for errors.
        timeout: seconds that one piece of work may take at most.
        login: returns options for the driver that are not in the URL.
    """

    def __init__(
        self,
        name: str,
        url: URL,
        table: sa.Table,
        timeout: float,
        login: Login | None = None,
    ) -> None:
        self._name = name
        self._table = table
        self._timeout = timeout
        self._engine = open_engine(url, timeout, login)
        self.kind = self._engine.dialect.name
        self._begin = _BEGIN.get(self.kind, _BEGIN_ELSE).format(round(timeout * 1000))
        self._connections = Connections(self._connect)
        self._gate: ForkGate | None = None
        if self.kind == "sqlite":
            file = self._engine.url.database or ""
            self._connections = FileConnections(self._connect, file)
            # An operation under way may take longer than its timeout by a half.
            self._gate = ForkGate(self._connections.close, timeout * 2)

    def beside(self, table: sa.Table) -> Database:
        """Return the same database, to which `table` is ours; it is created alone."""
        twin = copy(self)
        twin._table = table
        return twin

    def close_idle(self) -> None:
        """Close the connections that no operation uses."""
        self._connections.close()

    def keep_none(self) -> None:
        """Close each connection after its use, from now on."""
        self._connections.keep = False

    def one_operation(self, work: Callable[[], Result]) -> Result:
        """Do `work` in the time of one operation; see :func:`limited`."""
        return limited(self._timeout, work)

    @property
    def dialect(self) -> sa.Dialect:
        """What SQLAlchemy knows of the database; not all before it has connected."""
        return self._engine.dialect

    @property
    def tells_inserted(self) -> bool:
        """Whether an INSERT can return rows; unknown before the first connection."""
        return self._engine.dialect.insert_returning

    def run(self, work: Callable[[sa.Connection], Result]) -> Result:
        """Do `work`; repeat it after an error that may pass, such as a deadlock.

        `work` may run again although it succeeded, if only its answer was lost.
        """
        timed = partial(self.one_operation, partial(self._repeat, work))
        return timed() if self._gate is None else self._gate.use(timed)

    def _repeat(self, work: Callable[[sa.Connection], Result]) -> Result:
        while True:
            try:
                return self._connections.lend(work)
            except DBAPIError as error:
                self._prepare_retry(error)

    def _prepare_retry(self, error: DBAPIError) -> None:
        """Create the table or wait; raise the error if a retry cannot help."""
        if is_missing(error):
            self._create_table()
            _raise_if_late(error)
        elif not is_for_now(error):
            raise error
        pause = _pause_after(error)
        if seconds_left() < pause:
            raise error
        time.sleep(pause)

    def _connect(self) -> sa.Connection:
        try:
            return self._engine.connect()
        except _NO_OPTION as error:
            # Each driver has its own errors for it, and raises them when it connects.
            raise LockStoreRefusedError(
                f"{self._name}: the driver does not take an option of the URL: {error}"
            ) from error

    @contextmanager
    def transaction(self, connection: sa.Connection) -> Iterator[None]:
        """Commit all that a block does, or nothing."""
        connection.exec_driver_sql(self._begin)
        try:
            yield
            connection.exec_driver_sql("COMMIT")
        except BaseException:
            # Its state is unknown; a new connection has none.
            connection.invalidate()
            raise

    def ddl(self) -> str:
        """Return the SQL that creates the table if it is missing."""
        return ddl_of(self._table, self._engine.dialect)

    def index(self) -> Finding:
        """Return whether the table has the index that the sweeper needs."""
        if not self._lacks_index():
            return Finding("index", Level.OK, "the table has the index of the sweeps")
        # We do not create it here: all locks would wait meanwhile.
        found = "the table lacks the index that sweeps need: they read all rows"
        return Finding("index", Level.WARN, found, f"create it, by\n{self.ddl()}")

    def _lacks_index(self) -> bool:
        wanted = [
            [column.name for column in one.columns] for one in self._table.indexes
        ]

        def known(connection: sa.Connection) -> list[object]:
            inspector, table = sa.inspect(connection), self._table
            found = inspector.get_indexes(table.name, table.schema)
            return [one["column_names"] for one in found]

        found = self.run(known)
        return any(columns not in found for columns in wanted)

    def _create_table(self) -> None:
        try:
            self._connections.lend(self._create)
        except SQLAlchemyError as error:
            if isinstance(error, DBAPIError) and is_locked(error):
                return  # the next try creates it, or finds it
            if self._connections.lend(self._has_table):
                return  # another process has created it
            if is_read_only(error) or not is_refusal(error):
                raise
            raise LockStoreRefusedError(
                f"{self._name}: the table {self._table.fullname} is missing and cannot "
                f"be created ({reason_of(error)}); have it created by\n{self.ddl()}"
            ) from error

    def _create(self, connection: sa.Connection) -> None:
        # In one transaction with its index, where the database allows that.
        with self.transaction(connection):
            self._table.create(connection, checkfirst=True)

    def _has_table(self, connection: sa.Connection) -> bool:
        table = self._table
        return sa.inspect(connection).has_table(table.name, table.schema)


def _pause_after(error: DBAPIError) -> float:
    """Return the seconds to wait before the next try."""
    if is_locked(error):
        # Random, so that all processes that wait have the same chance.
        return random.uniform(0, _LOCKED)
    # A fail-over takes a while, and so does a client that closes its connection.
    return _PAUSE if is_read_only(error) or is_full(error) else 0


def _raise_if_late(error: DBAPIError) -> None:
    """Raise a timeout in place of the missing table, which exists by now."""
    if seconds_left() < 0:
        raise TimeoutError("creating the table took all the time") from error
