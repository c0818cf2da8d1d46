"""Lists the locks in a database, page by page of the table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from typing import Any

import sqlalchemy as sa

from ..cells import LOCK, Cells
from ..listing import MOST_HOLDERS, ListedLock, listed
from ..places import places_of
from ..steps import Held
from .database import Database
from .table import HOLDER_DIGITS, cells_of, clock, key_of_lock, row_name

#: Returns the holders of the lock with a key, at most so many.
HoldersOf = Callable[[str, int], list[Held]]

#: Names of the rows of one of several holders.
_HOLDER = re.compile(rf"unique:holder:(\d{{{HOLDER_DIGITS}}}):(\d{{{HOLDER_DIGITS}}})")

#: A key of ours has no more letters.
_LONGEST = "x" * 64


class Pages:
    """The locks in a table whose keys begin with a prefix, which are named without it.

    A page is some rows in the order of their names, of which each has an end that
    nobody changes: one statement without a transaction, which reads no more rows, also
    where locks that are over are many. Locks that several hold are pages of their own.

    Arguments:
        size: how many rows a page has.
        holders_of: reads the holders where they are several.
    """

    def __init__(
        self,
        database: Database,
        table: sa.Table,
        prefix: str,
        size: int,
        holders_of: HoldersOf,
    ) -> None:
        self._database = database
        self._table = table
        self._prefix = prefix
        self._size = size
        self._holders_of = holders_of
        # A row does not tell which prefix was in its digest. With some prefixes, and
        # in a whole store, a lock may have one.
        name = row_name(f"{prefix}{_LONGEST}", LOCK)
        self._with_digests = not prefix or key_of_lock(name) is None

    def __iter__(self) -> Iterator[Sequence[ListedLock]]:
        rows = self._rows_after("")
        while rows:
            locks = [(row, _cells_of(row)) for row in rows if self._is_lock(row)]
            shared = [row for row, cells in locks if cells.is_shared()]
            yield [
                lock
                for row, cells in locks
                if not cells.is_shared()
                for lock in self._alone(row, cells)
            ]
            yield from map(self._shared, shared)
            more = len(rows) == self._size
            rows = self._rows_after(rows[-1].name) if more else []

    def _rows_after(self, last: str) -> Sequence[Any]:
        where = {"last": last, "some": self._size}
        return self._database.run(lambda one: one.execute(self._page, where).all())

    @cached_property
    def _page(self) -> sa.Select[Any]:
        """Read `some` rows with names after `last`; of locks that are held, all."""
        table = self._table.c
        # Not the contents of other rows: some are large.
        held = sa.and_(table.token.is_not(None), table.ends > clock())
        content = sa.case((held, table.content)).label("content")
        now = clock().label("now")
        rows = sa.select(table.name, content, table.fence, table.ends, now)
        after = table.name > sa.bindparam("last")
        some = sa.bindparam("some", type_=sa.BigInteger())
        return rows.where(after).order_by(table.name).limit(some)

    def _is_lock(self, row: Any) -> bool:
        if row.content is None or _HOLDER.fullmatch(row.name):
            return False
        key = key_of_lock(row.name)
        return self._with_digests if key is None else key.startswith(self._prefix)

    def _alone(self, row: Any, cells: Cells) -> Sequence[ListedLock]:
        return listed(self._name(row), _left(row), places_of(cells, 1).holders)

    def _shared(self, row: Any) -> Sequence[ListedLock]:
        key = key_of_lock(row.name)
        if key is None:
            return [ListedLock(None, (), _left(row))]
        holders = partial(self._holders_of, key, MOST_HOLDERS)
        return listed(self._name(row), _left(row), holders)

    def _name(self, row: Any) -> str | None:
        key = key_of_lock(row.name)
        return None if key is None else key[len(self._prefix) :]


def _cells_of(row: Any) -> Cells:
    return cells_of({LOCK: row.name}, [row])


def _left(row: Any) -> float:
    """Return the seconds until the lock in a row ends."""
    seconds: float = (row.ends - row.now) / 1e6
    return seconds
