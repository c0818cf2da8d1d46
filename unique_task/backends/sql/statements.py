"""The SQL statements that read and change the table of locks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from ..record import VERSION
from .direct import DirectStatement
from .table import clock

_INSERT: Mapping[str, Any] = {
    "postgresql": postgresql.insert,
    "sqlite": sqlite.insert,
    "mysql": mysql.insert,
    "mariadb": mysql.insert,
}


def microseconds(seconds: float) -> int:
    """Return seconds in the unit of the table."""
    # No lock stands for 2**32 seconds.
    return max(1, round(min(seconds, 2**32) * 1e6))


class Statements:
    """The statements for one kind of database; each docstring names the parameters.

    Each is built once, as building it takes longer than many an answer. The two that
    most locks need are direct ones.

    Arguments:
        dialect: of the database, whose name is ``postgresql``, ``mysql``, ``mariadb``
            or ``sqlite``.
    """

    def __init__(self, table: sa.Table, dialect: sa.Dialect) -> None:
        self._table, self._dialect = table, dialect
        self.insert = _INSERT[dialect.name]
        self._takes: dict[int, DirectStatement] = {}
        #: The functions that return the greatest and the least of their arguments.
        self.greatest: Any = sa.func.greatest
        self.least: Any = sa.func.least
        if dialect.name == "sqlite":
            self.greatest, self.least = sa.func.max, sa.func.min
        #: Whether an INSERT that meets a row can update it on a condition.
        self.on_conflict = hasattr(self.insert(table), "on_conflict_do_update")

    def take(self, over: int = 0) -> DirectStatement:
        """Take a lock that is free or over, or that one of `over` tokens gives up.

        Parameters: `name`, `token`, `content`; `length` in microseconds; `over_0` and
        so on, which need `on_conflict`. Returns the holder's token and fence; if
        another token holds the lock, some databases return no row.
        """
        if over not in self._takes:
            self._takes[over] = direct(self._take(over), self._dialect)
        return self._takes[over]

    def _take(self, over: int) -> sa.ClauseElement:
        table, new = self._table.c, self._new_lock()
        now, ends = self._now_and_end(new)
        changes = {
            "fence": self.greatest(now, table.fence + _ONE),
            "token": given(new).token,
            "content": given(new).content,
            "ends": ends,
        }
        free = sa.or_(table.ends <= now, *[self._gives_up(n) for n in range(over)])
        taken: sa.ClauseElement = self._or_update_if(free, new, changes).returning(
            table.token, table.fence
        )
        return taken

    def _new_lock(self) -> Any:
        return self.insert(self._table).values(
            name=sa.bindparam("name"),
            token=sa.bindparam("token"),
            content=sa.bindparam("content"),
            fence=clock(),
            ends=_end(),
        )

    def _now_and_end(self, new: Any) -> tuple[Any, Any]:
        """Return the time when an INSERT meets a row, and the end of its lock."""
        if self._dialect.name == "postgresql":
            # Its INSERT may wait for a row, and go on with what it had read before.
            return clock(), _end()
        return given(new).fence, given(new).ends

    def _gives_up(self, number: int) -> sa.ColumnElement[bool]:
        table = self._table.c
        # Only records of our version, not those of a newer one.
        known = table.content.between(f"{VERSION} ".encode(), f"{VERSION}!".encode())
        return sa.and_(table.token == sa.bindparam(f"over_{number}"), known)

    def _or_update_if(
        self, free: sa.ColumnElement[bool], new: Any, changes: dict[str, Any]
    ) -> Any:
        if self.on_conflict:
            return self.or_update(new, changes, where=free)
        # MariaDB knows no condition for the whole update, and sets the columns one
        # after the other: the end decides whether the lock is free, so it is the last.
        return new.on_duplicate_key_update(
            [
                (name, sa.func.if_(free, value, self._table.c[name]))
                for name, value in changes.items()
            ]
        )

    def keep_new(self, row: Any) -> Any:
        """Keep a selected row, or the values of one, unless it exists."""
        new = self.insert(self._table)
        is_select = isinstance(row, sa.Select)
        columns = self._table.c.keys()
        new = new.from_select(columns, row) if is_select else new.values(row)
        if self.on_conflict:
            return new.on_conflict_do_nothing()
        return new.prefix_with("IGNORE")

    @cached_property
    def lock_row(self) -> Any:
        """Lock the row `name` for this transaction; create it if it is missing."""
        new = self.insert(self._table).values(content=b"", fence=0, ends=0)
        return self.or_update(new, {"name": self._table.c.name})

    def rows(self, connection: sa.Connection, names: Iterable[str]) -> Sequence[Any]:
        """Return the rows with those names, each with the time."""
        return connection.execute(self.find, {"names": list(names)}).all()

    @cached_property
    def find(self) -> sa.Select[Any]:
        """Read the rows with `names`, each with the time."""
        table = self._table.c
        return sa.select(
            table.name, table.content, table.fence, table.ends, clock().label("now")
        ).where(table.name.in_(sa.bindparam("names", expanding=True)))

    @cached_property
    def keep(self) -> Any:
        """Keep a cell, whatever its row holds; the parameters are the columns."""
        new = self.insert(self._table)
        columns = ("token", "content", "fence", "ends")
        return self.or_update(new, {name: given(new)[name] for name in columns})

    @cached_property
    def prolong(self) -> Any:
        """The same, but a row that exists gets a new end only."""
        new = self.insert(self._table)
        return self.or_update(new, {"ends": given(new).ends})

    @cached_property
    def release(self) -> DirectStatement:
        """Release the lock in the row `lock` if the token `holder` holds it."""
        table = self._table.c
        held = sa.update(self._table).where(
            table.name == sa.bindparam("lock"),
            table.token == sa.bindparam("holder"),
            table.ends > clock(),
        )
        # 0: the lock stays free even if the clock is set back.
        return direct(held.values(ends=_ZERO), self._dialect)

    @cached_property
    def renew(self) -> sa.Update:
        """Renew the locks `held` for `length` microseconds.

        `held` are pairs of name and token; `names` are the names once more.
        """
        table = self._table.c
        held: Any = sa.bindparam("held", expanding=True)
        return (
            sa.update(self._table)
            .values(ends=_end())
            .where(
                # MariaDB and SQLite do not always use the index for a pair.
                table.name.in_(sa.bindparam("names", expanding=True)),
                sa.tuple_(table.name, table.token).in_(held),
                table.ends > clock(),
            )
        )

    @cached_property
    def end_cell(self) -> sa.Update:
        """End the cell in the row `cell`."""
        named = self._table.c.name == sa.bindparam("cell")
        return sa.update(self._table).where(named).values(ends=0)

    @cached_property
    def swept(self) -> Sequence[sa.Select[Any]]:
        """Find the names of rows that were over at `past`, at most `some`.

        One query finds released locks, one all others: the end of a released lock is
        0, so the index finds the old ones by their fence among any number of new ones.
        """
        ends, fence = self._table.c.ends, self._table.c.fence
        released = sa.and_(ends == 0, fence < _PAST)
        over = sa.and_(ends > 0, self._old)
        names = sa.select(self._table.c.name)
        some = sa.bindparam("some", type_=_NUMBER)
        return [names.where(old).limit(some) for old in (released, over)]

    @cached_property
    def sweep(self) -> sa.Delete:
        """Delete the rows `names`, unless one was in use after `past`."""
        named = self._table.c.name.in_(sa.bindparam("names", expanding=True))
        return sa.delete(self._table).where(named, self._old)

    @cached_property
    def _old(self) -> sa.ColumnElement[bool]:
        # The fence is the time at which a lock was taken, however it ended.
        return sa.and_(self._table.c.ends < _PAST, self._table.c.fence < _PAST)

    def or_update(self, new: Any, values: dict[str, Any], where: Any = None) -> Any:
        """Return an INSERT that changes the row which it meets, if it is as `where`."""
        if not self.on_conflict:
            return new.on_duplicate_key_update(**values)
        names = [self._table.c.name]
        return new.on_conflict_do_update(index_elements=names, set_=values, where=where)


_NUMBER = sa.BigInteger()
_ZERO: sa.ColumnElement[int] = sa.literal_column("0")
_ONE: sa.ColumnElement[int] = sa.literal_column("1")

#: A number: PostgreSQL uses no index for a comparison with its clock.
_PAST: sa.BindParameter[int] = sa.bindparam("past", type_=_NUMBER)


def _end() -> sa.ColumnElement[int]:
    """Return the end of a lock that is held for `length` microseconds from now on."""
    return clock() + sa.bindparam("length", type_=_NUMBER)


def given(new: Any) -> Any:
    """Return the row of an INSERT that met another one."""
    return new.inserted if hasattr(new, "inserted") else new.excluded


def direct(statement: sa.ClauseElement, dialect: sa.Dialect) -> DirectStatement:
    """Return what runs `statement` in a database of this dialect."""
    if dialect.name != "postgresql":
        return DirectStatement(statement, dialect)
    from .postgresql import PreparedStatement

    return PreparedStatement(statement, dialect)
