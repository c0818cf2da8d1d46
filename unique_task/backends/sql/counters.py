"""The counters in a database: what processes add, what readers get, and the sweep."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import sqlalchemy as sa

from ..counting import KEPT, REMEMBERED, CountedMinute, Counter, minute_of
from .counter_table import counter_rows, flush_row
from .database import Database
from .direct import DirectStatement
from .statements import Statements, direct, given
from .table import clock

#: Minutes that one statement reads.
_PAGE = 10

#: Rows that one statement deletes at most.
_SOME = 1000

_FIRST: sa.BindParameter[int] = sa.bindparam("first", type_=sa.BigInteger())
_LAST: sa.BindParameter[int] = sa.bindparam("last", type_=sa.BigInteger())
_MOST: sa.BindParameter[int] = sa.bindparam("most", type_=sa.BigInteger())
_NAMES: Any = sa.bindparam("names", expanding=True)

#: A prefix that no counters have.
_CHECK = "check\n"


class Counters:
    """The counters in one table.

    Arguments:
        database: the one with the table.
        table: of counters.
    """

    def __init__(self, database: Database, table: sa.Table) -> None:
        self._database = database
        self._table = table
        self._statements = Statements(table, database.dialect)
        #: Whether this process has counted, so that there is a table to sweep.
        self.used = False

    def add(self, flush: str, amounts: Mapping[Counter, float], prefix: str) -> None:
        """Add amounts to the counters of this minute, unless the flush was counted."""
        self._database.run(partial(self._add, flush, amounts, prefix))
        self.used = True

    def _add(
        self,
        flush: str,
        amounts: Mapping[Counter, float],
        prefix: str,
        connection: sa.Connection,
    ) -> None:
        with self._database.transaction(connection):
            minute = minute_of(self._now(connection))
            # It waits for another try of this flush that has not committed yet.
            counted = flush_row(flush, minute, prefix)
            if self._remember.count(connection, counted):
                rows = counter_rows(amounts, minute, prefix)
                connection.execute(self._increase, rows)

    def now(self) -> float:
        """Return seconds since 1970 by the database's clock."""
        return self._database.run(self._now)

    def _now(self, connection: sa.Connection) -> float:
        return (connection.scalar(sa.select(clock())) or 0) / 1e6

    def pages(self, minutes: range, prefix: str) -> Iterator[Sequence[CountedMinute]]:
        """Yield what some minutes have counted, several of them at once."""
        for first in range(0, len(minutes), _PAGE):
            page = minutes[first : first + _PAGE]
            yield self._database.run(partial(self._rows, page, prefix))

    def _rows(
        self, page: range, prefix: str, connection: sa.Connection
    ) -> list[CountedMinute]:
        wanted = {"first": page[0], "last": page[-1], "own": prefix.encode()}
        return [
            CountedMinute(minute, _text(task), _text(counter), amount)
            for minute, task, counter, amount in connection.execute(self._read, wanted)
        ]

    def ddl(self) -> str:
        """Return the SQL that creates the table if it is missing."""
        return self._database.ddl()

    def check(self) -> None:
        """Run each of the statements, and leave nothing behind."""
        self._database.run(self._try_all)

    def _try_all(self, connection: sa.Connection) -> None:
        nonce = os.urandom(6).hex()
        rows = [flush_row(nonce, 0, _CHECK), *counter_rows({(nonce, ""): 0}, 0, _CHECK)]
        with self._database.transaction(connection):
            self._remember.count(connection, rows[0])
            for _ in range(2):
                connection.execute(self._increase, rows[1:])
            self._rows(range(1), _CHECK, connection)
            names = [row["name"] for row in rows]
            connection.execute(self._delete, {"names": names})

    def sweep(self) -> int:
        """Delete rows that are no longer kept; return how many."""
        now = minute_of(self.now())
        kept = {0: KEPT, 1: REMEMBERED // 60 + 1}
        return sum(self._sweep_all(flush, now - kept[flush]) for flush in kept)

    def _sweep_all(self, flush: int, first: int) -> int:
        deleted, found = 0, _SOME
        while found == _SOME:
            found = self._database.run(partial(self._sweep_some, flush, first))
            deleted += found
        return deleted

    def _sweep_some(self, flush: int, first: int, connection: sa.Connection) -> int:
        """Delete some rows of minutes before `first`; return how many there were."""
        old = {"kind": flush, "first": first, "most": _SOME}
        names = list(connection.scalars(self._old, old))
        if names:
            connection.execute(self._delete, {"names": names})
        return len(names)

    @cached_property
    def _remember(self) -> DirectStatement:
        """Keep the row of a flush unless it exists; the parameters are the columns."""
        columns: dict[str, Any] = {
            name: sa.bindparam(name) for name in self._table.c.keys()
        }
        new = self._statements.keep_new(columns)
        # SQLAlchemy does not tell how many rows an INSERT has made.
        return direct(new, self._database.dialect)

    @cached_property
    def _increase(self) -> Any:
        """Add `amount` to a row that exists; the parameters are the columns."""
        new, column = self._statements.insert(self._table), self._table.c.amount
        return self._statements.or_update(new, {"amount": column + given(new).amount})

    @cached_property
    def _read(self) -> sa.Select[Any]:
        """Read the counters with the prefix `own` from `first` to `last`."""
        table = self._table.c
        found = sa.select(table.minute, table.task, table.counter, table.amount)
        own = table.prefix == sa.bindparam("own")
        return found.where(table.flush == 0, table.minute.between(_FIRST, _LAST), own)

    @cached_property
    def _old(self) -> sa.Select[Any]:
        """Find the names of `most` rows of a `kind` from before `first`."""
        table = self._table.c
        kind = table.flush == sa.bindparam("kind")
        found = sa.select(table.name).where(kind, table.minute < _FIRST)
        return found.limit(_MOST)

    @cached_property
    def _delete(self) -> sa.Delete:
        return sa.delete(self._table).where(self._table.c.name.in_(_NAMES))


def _text(data: bytes) -> str:
    return bytes(data).decode(errors="backslashreplace")
