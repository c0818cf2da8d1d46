"""Reads a lock, and changes its cells in one transaction as a step wants it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import sqlalchemy as sa

from ..cells import LOCK, Cell, Cells, Crowd, holder_name, is_holder
from ..places import places_of
from ..steps import Held
from ..stepwise import Answer
from .database import Database
from .holders import ALL, SOME, HolderStatements, range_of
from .statements import Statements
from .table import cell_in, cells_of, row_name, row_of

#: Reads the cells that a step wants.
Read = Callable[[sa.Connection], Cells]


class Changes:
    """The changes of the locks in one table.

    A transaction locks the row of the lock before all others, also where it changes
    the row of a holder only::

        one     locks the row   counts the holders   becomes one more   commits
        other             wants the row .................................. counts them

    Arguments:
        database: the one with the table.
        statements: for this table.
        holders: statements for the locks that several hold.
    """

    def __init__(
        self, database: Database, statements: Statements, holders: HolderStatements
    ) -> None:
        self._database = database
        self._statements = statements
        self._holders = holders

    def change(
        self, key: str, names: Sequence[str], step: Callable[[Cells], Answer]
    ) -> Answer:
        """Let `step` change the cells `names` of a lock that one holds."""
        return self._in_transaction(key, partial(self._cells, key, names), step)

    def change_places(
        self, key: str, names: Sequence[str], step: Callable[[Cells], Answer]
    ) -> Answer:
        """The same where several may hold it."""
        return self._in_transaction(key, partial(self._places, key, names), step)

    def change_by_form(
        self,
        key: str,
        names: Sequence[str],
        tokens: Sequence[str],
        step: Callable[[Cells], Answer],
    ) -> Answer:
        """The same for one that may meet several holders, and names these `tokens`."""
        more = [*names, *map(holder_name, tokens)]

        def read(connection: sa.Connection) -> Cells:
            cells = self._cells(key, names, connection)
            return self._places(key, more, connection) if cells.is_shared() else cells

        return self._in_transaction(key, read, step)

    def lock(self, key: str) -> Cells | None:
        """Return the cell of the lock, None if it has no row."""
        return self._database.run(partial(self._lock, key))

    def holders(self, key: str, most: int | None) -> list[Held]:
        """Return the holders of a lock, at most so many of them that end first."""

        def find(connection: sa.Connection) -> list[Held]:
            cells = self._lock(key, connection)
            if cells is not None and cells.is_shared():
                now = round(cells.now * 1e6)
                ending = partial(self._ending, key, now, connection)
                cells.crowd = Crowd(cells.kept, ending)
            return places_of(cells, 1).holders(most) if cells is not None else []

        return self._database.run(find)

    def _lock(self, key: str, connection: sa.Connection) -> Cells | None:
        short = {LOCK: row_name(key, LOCK)}
        rows = self._statements.rows(connection, short.values())
        return cells_of(short, rows) if rows else None

    def _in_transaction(
        self, key: str, read: Read, step: Callable[[Cells], Answer]
    ) -> Answer:
        def change(connection: sa.Connection) -> Answer:
            with self._database.transaction(connection):
                name = {"name": row_name(key, LOCK)}
                connection.execute(self._statements.lock_row, name)
                # Not before: another process may have changed them until now.
                cells = read(connection)
                answer = step(cells)
                self._write(connection, key, cells)
            return answer

        return self._database.run(change)

    def _cells(
        self, key: str, names: Sequence[str], connection: sa.Connection
    ) -> Cells:
        short = {name: row_name(key, name) for name in names}
        return cells_of(short, self._statements.rows(connection, short.values()))

    def _places(
        self, key: str, names: Sequence[str], connection: sa.Connection
    ) -> Cells:
        cells = self._cells(key, names, connection)
        now = round(cells.now * 1e6)
        if cells.was_shared():
            self._forget_over(key, now, connection)
        cells.crowd = Crowd(
            partial(self._count, key, now, connection),
            partial(self._ending, key, now, connection),
        )
        return cells

    def _count(self, key: str, now: int, connection: sa.Connection) -> int:
        self._forget_over(key, now, connection)
        wanted = {**range_of(key), "now": now}
        return connection.scalar(self._holders.count, wanted) or 0

    def _ending(
        self, key: str, now: int, connection: sa.Connection, most: int | None
    ) -> list[Cell]:
        wanted = {**range_of(key), "now": now, "most": ALL if most is None else most}
        rows = connection.execute(self._holders.ending, wanted)
        return [cell_in(LOCK, row) for row in rows]

    def _forget_over(self, key: str, now: int, connection: sa.Connection) -> None:
        """Delete rows of holders whose time has ended."""
        wanted = {**range_of(key), "now": now, "most": SOME}
        # By name: to delete a range locks the gap beside it, which is of another key.
        names = list(connection.scalars(self._holders.over, wanted))
        if names:
            connection.execute(self._holders.forget, {"names": names})

    def _write(self, connection: sa.Connection, key: str, cells: Cells) -> None:
        kept, left = [], []
        for name, cell in cells.changed.items():
            short = row_name(key, name)
            if cell is not None:
                kept.append(row_of(short, name, cell))
            elif is_holder(name):
                left.append(short)
            else:
                connection.execute(self._statements.end_cell, {"cell": short})
        if left:
            connection.execute(self._holders.forget, {"names": left})
        if kept:
            connection.execute(self._statements.keep, kept)
