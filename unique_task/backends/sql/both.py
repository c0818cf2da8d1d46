"""Two statements that a database runs as one: each changes its row, or neither does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from .direct import DirectStatement, given_in

#: Who gets here with no row of the second undoes the first.
_BLOCK = """BEGIN NOT ATOMIC
START TRANSACTION;
{0};
IF ROW_COUNT() > 0 THEN
{1};
IF ROW_COUNT() <> 0 THEN COMMIT; SELECT 1; END IF;
END IF;
ROLLBACK;
END"""


class BothInBlock(DirectStatement):
    """Two statements in a block of MariaDB, which is one round trip.

    It returns a row if both have changed theirs. A second one that returns its row
    counts as one that did.

    Arguments:
        first: whose row is locked before that of the second.
        second: may use as `FOUND` what the first is :meth:`noting`.
    """

    #: Variables of the session: to declare one has another syntax in some modes.
    FOUND: Sequence[sa.ColumnElement[int]] = [
        sa.literal_column(f"@unique_task_{name}") for name in ("fence", "end")
    ]

    def __init__(
        self, first: sa.ClauseElement, second: sa.ClauseElement, dialect: sa.Dialect
    ) -> None:
        super().__init__(first, dialect)
        parts = [self, DirectStatement(second, dialect)]
        self.text = _BLOCK.format(*(part.text for part in parts))
        self.given = given_in([name for part in parts for name in part.order])

    @classmethod
    def noting(cls, *values: Any) -> Iterator[Any]:
        """Return the values for a fence and an end, and note both."""
        return (one.op(":=")(value) for one, value in zip(cls.FOUND, values))

    def _run(
        self,
        connection: sa.Connection,
        values: Mapping[str, Any],
        answer: Callable[[Any], Any],
    ) -> Any:
        try:
            return super()._run(connection, values, answer)
        except BaseException:
            # It may have left the transaction open.
            connection.invalidate()
            raise


_FOUND = ("found_fence", "found_end")


class BothInTransaction(DirectStatement):
    """Two statements in a transaction of SQLite, where each statement is a call.

    Arguments:
        first: returns fence and end in its row.
        second: may use them as `FOUND`.
    """

    FOUND: Sequence[sa.ColumnElement[int]] = [
        sa.bindparam(name, type_=sa.BigInteger()) for name in _FOUND
    ]

    def __init__(
        self, first: sa.ClauseElement, second: sa.ClauseElement, dialect: sa.Dialect
    ) -> None:
        super().__init__(first, dialect)
        self._second = DirectStatement(second, dialect)

    def _ask(
        self, cursor: Any, values: Mapping[str, Any], info: Any, answer: Any
    ) -> Any:
        cursor.execute("BEGIN IMMEDIATE")
        try:
            row = super()._ask(cursor, values, info, answer)
            if row and self._changes_second(cursor, values, row):
                cursor.execute("COMMIT")
                return row
            cursor.execute("ROLLBACK")
        except BaseException:
            cursor.connection.rollback()
            raise

    def _changes_second(self, cursor: Any, values: Mapping[str, Any], row: Any) -> bool:
        more = {**values, **dict(zip(_FOUND, row))}
        cursor.execute(self._second.text, self._second.given(more))
        return bool(cursor.rowcount)
