"""Work in a database, done again where that asks for it, and the table for it."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar
from weakref import finalize

import sqlalchemy as sa
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ...exceptions import LockStoreRefusedError
from ...forks import in_forks_of
from .deadline import limited, seconds_left
from .engine import open_engine
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

#: What drivers say of an option, or of what they have not found beside them.
_NO_OPTION = (TypeError, ValueError, AttributeError, RuntimeError, ImportError)

#: Seconds between two tries on a server that does not write, or is full.
_PAUSE = 0.1

#: The same, at most, for a file that another process writes to.
_LOCKED = 0.01

#: A client that stands still in the middle must not keep others out for long. What is
#: set beside a pooler of connections must be set for the transaction only.
_BEGIN = {
    "postgresql": "BEGIN ISOLATION LEVEL READ COMMITTED; "
    "SET LOCAL idle_in_transaction_session_timeout = {0}; "
    "SET LOCAL lock_timeout = {0}",
    "sqlite": "BEGIN IMMEDIATE",
}
#: In the mode of another database, BEGIN alone would be a block of code.
_BEGIN_ELSE = "START TRANSACTION"


class Database:
    """A database with our table in it, which is made when it is missed.

    Arguments:
        name: for people.
        timeout: seconds that one piece of work may take at most.
    """

    def __init__(self, name: str, url: URL, table: sa.Table, timeout: float) -> None:
        self._name = name
        self._table = table
        self._timeout = timeout
        self._engine = open_engine(url, timeout)
        self.kind = self._engine.dialect.name
        self._begin = _BEGIN.get(self.kind, _BEGIN_ELSE).format(round(timeout * 1000))
        self._gate: Callable[[], AbstractContextManager[None]] = nullcontext
        if self.kind == "sqlite":
            # What has begun may take half of its time more.
            self._gate = ForkGate(self._engine.dispose, timeout * 2).operation
        in_forks_of(self._leave_connections)
        # Its connections are closed with it, and not some time later.
        finalize(self, _dispose, self._engine, os.getpid())

    def one_operation(self) -> AbstractContextManager[None]:
        """Give all the work of a block the time of one; or of the block around it."""
        return limited(self._timeout)

    @property
    def tells_inserted(self) -> bool:
        """Whether an INSERT returns rows here; not known before the first use."""
        return self._engine.dialect.insert_returning

    def run(self, work: Callable[[sa.Connection], Result]) -> Result:
        """Do `work`, once more where the database says so or has closed a connection.

        That is no harm where it was done and only the answer was lost.
        """
        with self._gate(), self.one_operation():
            while True:
                try:
                    with self._connect() as connection:
                        return _done(work, connection)
                except DBAPIError as error:
                    self._make_good(error)

    def _make_good(self, error: DBAPIError) -> None:
        """Raise the error unless the same may succeed if it is done again."""
        if is_missing(error):
            self._create_table()
            _check_time(error)
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
            # Drivers say so in their own ways, and only when they connect.
            raise LockStoreRefusedError(
                f"{self._name}: the driver does not take an option of the URL: {error}"
            ) from error

    @contextmanager
    def transaction(self, connection: sa.Connection) -> Iterator[None]:
        """Do all of a block, or nothing."""
        connection.exec_driver_sql(self._begin)
        try:
            yield
            connection.exec_driver_sql("COMMIT")
        except BaseException:
            # Whatever state it is in: a new one is not.
            connection.invalidate()
            raise

    def ddl(self) -> str:
        """Return the statements that create the table, if it is not there."""
        return ddl_of(self._table, self._engine.dialect)

    def lacks_index(self) -> bool:
        """Tell whether somebody made the table without the index of the sweep."""
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
        table = self._table
        try:
            with self._connect() as connection, self.transaction(connection):
                # With its index, where a database can undo that.
                table.create(connection, checkfirst=True)
        except SQLAlchemyError as error:
            if sa.inspect(self._engine).has_table(table.name, table.schema):
                return  # another process was faster
            if is_read_only(error) or not is_refusal(error):
                raise
            raise LockStoreRefusedError(
                f"{self._name}: the table {table.fullname} is missing and cannot be "
                f"created ({reason_of(error)}); have it created by\n{self.ddl()}"
            ) from error

    def _leave_connections(self) -> None:
        # A fork leaves its parent's connections to the parent, and opens its own.
        self._engine.dispose(close=False)


def _pause_after(error: DBAPIError) -> float:
    """Return how long to wait before the same is done again."""
    if is_locked(error):
        # At odd times, so that all who wait have the same chance.
        return random.uniform(0, _LOCKED)
    # As long as a fail-over lasts, or until somebody closes a connection.
    return _PAUSE if is_read_only(error) or is_full(error) else 0


def _check_time(error: DBAPIError) -> None:
    """Raise what may be over the next time, in place of an error that is."""
    if seconds_left() < 0:
        raise TimeoutError("to make the table took all the time") from error


def _done(work: Callable[[sa.Connection], Result], connection: sa.Connection) -> Result:
    """Do `work`; do not use the connection again if that leaves it in doubt."""
    try:
        return work(connection)
    except BaseException as error:
        # A time limit breaks off anywhere, and a server may have become a replica.
        if not isinstance(error, SQLAlchemyError) or is_read_only(error):
            connection.invalidate()
        raise


def _dispose(engine: sa.Engine, pid: int) -> None:
    # In a fork, they are still the parent's.
    engine.dispose(close=os.getpid() == pid)
