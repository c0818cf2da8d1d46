"""Runs a statement by the driver's own cursor, which takes a third of the time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from .deadline import check_time
from .errors import translated


class DirectStatement:
    """A statement that SQLAlchemy compiles once, and that the driver runs.

    It takes and returns what the driver does: texts, bytes and whole numbers.
    """

    def __init__(self, statement: sa.ClauseElement, dialect: sa.Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect)
        self._errors = dialect.loaded_dbapi.Error
        self.text = str(compiled)
        #: Values that are parts of the statement.
        self._fixed = {
            name: value for name, value in compiled.params.items() if value is not None
        }
        #: Names of the values if the driver takes them one after the other.
        self.order: Sequence[str] = compiled.positiontup or ()
        self.given = given_in(self.order)

    def row(self, connection: sa.Connection, values: Mapping[str, Any]) -> Any:
        """Run it; return the row that it returns, None if there is none."""
        return self._run(connection, values, _first_row)

    def count(self, connection: sa.Connection, values: Mapping[str, Any]) -> int:
        """Run it; return the number of rows that it found."""
        found: int = self._run(connection, values, _row_count)
        return found

    def _run(
        self,
        connection: sa.Connection,
        values: Mapping[str, Any],
        answer: Callable[[Any], Any],
    ) -> Any:
        check_time()
        if self._fixed:
            values = {**self._fixed, **values}
        info = connection.connection.info
        cursor = info.get("cursor") or self._open_cursor(connection)
        try:
            return self._ask(cursor, values, info, answer)
        except self._errors as error:
            raise translated(error, connection) from error
        except BaseException:
            # SQLite keeps the file locked for a statement that a time limit broke off,
            # also when the connection is closed.
            cursor.close()
            raise

    def _open_cursor(self, connection: sa.Connection) -> Any:
        """Open the cursor of this connection, which all its direct statements use."""
        driver = connection.connection
        cursor = driver.info["cursor"] = self._new_cursor(driver)
        return cursor

    def _new_cursor(self, driver: Any) -> Any:
        return driver.cursor()

    def _ask(
        self,
        cursor: Any,
        values: Mapping[str, Any],
        info: Any,
        answer: Callable[[Any], Any],
    ) -> Any:
        self._execute(cursor, values, info)
        return answer(cursor)

    def _execute(self, cursor: Any, values: Mapping[str, Any], info: Any) -> None:
        """Run it; `info` is what is known of the connection."""
        cursor.execute(self.text, self.given(values))


def given_in(order: Sequence[str]) -> Callable[[Any], Any]:
    """Return what makes of values what the driver takes.

    It takes them by name, or one after the other in this order.
    """
    if len(order) == 1:
        return lambda values: (values[order[0]],)
    return itemgetter(*order) if order else dict


def _first_row(cursor: Any) -> Any:
    # All rows: SQLite has not written anything before it has returned the last one.
    rows = cursor.fetchall()
    return rows[0] if rows else None


def _row_count(cursor: Any) -> Any:
    return cursor.rowcount
