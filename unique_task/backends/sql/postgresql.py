"""What is special of PostgreSQL: bounded waiting, and statements that it prepares."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import suppress
from hashlib import blake2b
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg.errors import (
    DuplicatePreparedStatement,
    FeatureNotSupported,
    InvalidSqlStatementName,
)

from .deadline import seconds_left
from .direct import DirectStatement


class BoundedConnection(psycopg.Connection[Any]):
    """A connection whose statements end at the deadline of the operation."""

    def wait(self, gen: Any, *args: Any, **options: Any) -> Any:
        """Wait as the parent does, which looks ten times a second whether to go on."""
        return super().wait(self._bounded(gen), *args, **options)

    def _bounded(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and seconds_left() < 0:
                    self.pgconn.finish()
                    raise psycopg.OperationalError("the server does not answer in time")
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value


class PreparedStatement(DirectStatement):
    """A statement that the server parses once in each of its sessions.

    A pooler may run each statement in another session, which other clients use too.
    So the name tells what the statement is: whoever has prepared it there, it is this
    one. And a session in which it is missing runs the statement as it is.
    """

    def __init__(self, statement: sa.ClauseElement, dialect: sa.Dialect) -> None:
        super().__init__(statement, dialect)
        names = list(statement.compile(dialect=dialect).params)
        numbers = {name: f"${number}" for number, name in enumerate(names, start=1)}
        given = ", ".join(f"%({name})s" for name in names)
        digest = blake2b(self.text.encode(), digest_size=8).hexdigest()
        self._name = f"unique_task_{digest}"
        self._preparation = f"PREPARE {self._name} AS {self.text % numbers}"
        self._call = f"EXECUTE {self._name} ({given})"

    def _new_cursor(self, driver: Any) -> Any:
        # The server takes values for EXECUTE in its text only.
        return psycopg.ClientCursor(driver.driver_connection)

    def _execute(self, cursor: Any, values: Mapping[str, Any], info: Any) -> None:
        if self._name not in info:
            self._prepare(cursor)
            info[self._name] = True
        try:
            cursor.execute(self._call, values)
        except (InvalidSqlStatementName, FeatureNotSupported):
            # It is missing in this session, or older than a change of the table.
            self._prepare(cursor)
            cursor.execute(self.text, values)

    def _prepare(self, cursor: Any) -> None:
        with suppress(DuplicatePreparedStatement):
            cursor.execute(self._preparation)
