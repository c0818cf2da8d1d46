"""What is said to a database about the table of locks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from ..cells import LOCK, short_name
from ..record import VERSION
from .table import NAME_LENGTH, clock

_INSERT: Mapping[str, Any] = {
    "postgresql": postgresql.insert,
    "sqlite": sqlite.insert,
    "mysql": mysql.insert,
    "mariadb": mysql.insert,
}


def microseconds(seconds: float) -> int:
    """Return seconds as the table counts them."""
    # 2**32 seconds are longer than any lock stands.
    return max(1, round(min(seconds, 2**32) * 1e6))


def held_by(locks: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return the parameters `names` and `held`, for locks by key and token."""
    names = [short_name(key, LOCK, NAME_LENGTH) for key, _ in locks]
    tokens = [token.encode() for _, token in locks]
    return {"names": names, "held": list(zip(names, tokens))}


class Statements:
    """What is said to one kind of database about the table, with its parameters.

    They are made once, as that takes longer than many an answer.

    Arguments:
        dialect: name of the database: ``postgresql``, ``mysql``, ``sqlite``.
    """

    def __init__(self, table: sa.Table, dialect: str) -> None:
        self._table = table
        self._insert = _INSERT[dialect]
        #: Whether a row that is there already is updated on a condition.
        self.on_conflict = hasattr(self._insert(table), "on_conflict_do_update")

    @cached_property
    def take(self) -> sa.Executable:
        """Take a lock that is free or over.

        Parameters: `name`, `token`, `content`; `length` in microseconds. Told is who
        has the lock then, if that is another one only by some databases.
        """
        return self._take(self._table.c.ends <= clock())

    @cached_property
    def take_over(self) -> sa.Executable:
        """The same, also from a token of the parameter `over`; with `on_conflict`."""
        table = self._table.c
        given = table.token.in_(sa.bindparam("over", expanding=True))
        # Not what a newer version wrote: all that begins with ours and a blank.
        known = table.content.between(f"{VERSION} ".encode(), f"{VERSION}!".encode())
        return self._take(sa.or_(table.ends <= clock(), sa.and_(given, known)))

    def _take(self, free: sa.ColumnElement[bool]) -> sa.Executable:
        table, ends = self._table.c, clock() + sa.bindparam("length", type_=_NUMBER)
        new: Any = self._insert(self._table).values(
            name=sa.bindparam("name"),
            token=sa.bindparam("token"),
            content=sa.bindparam("content"),
            fence=clock(),
            ends=ends,
        )
        changes = {
            "fence": sa.case((clock() > table.fence, clock()), else_=table.fence + 1),
            "token": _given(new).token,
            "content": _given(new).content,
            "ends": ends,
        }
        if self.on_conflict:
            new = self._or_update(new, changes, where=free)
        else:
            # An update has no condition there, but its columns are set one after the
            # other: the end, which says whether the lock is free, is the last.
            new = new.on_duplicate_key_update(
                [
                    (name, sa.func.if_(free, value, table[name]))
                    for name, value in changes.items()
                ]
            )
        taken: sa.Executable = new.returning(table.token, table.fence)
        return taken

    @cached_property
    def claim(self) -> Any:
        """Lock the row `name` for this transaction; it is made if there is none."""
        new = self._insert(self._table).values(content=b"", fence=0, ends=0)
        return self._or_update(new, {"name": self._table.c.name})

    @cached_property
    def find(self) -> sa.Select[Any]:
        """Read the cells of some `names`, with the time."""
        table = self._table.c
        return sa.select(
            table.name, table.content, table.fence, table.ends, clock().label("now")
        ).where(table.name.in_(sa.bindparam("names", expanding=True)))

    @cached_property
    def keep(self) -> Any:
        """Keep a cell, whatever its row says; the parameters are the columns."""
        new = self._insert(self._table)
        columns = ("token", "content", "fence", "ends")
        return self._or_update(new, {name: _given(new)[name] for name in columns})

    @cached_property
    def prolong(self) -> Any:
        """The same, but of a row that is there its content stays."""
        new = self._insert(self._table)
        return self._or_update(new, {"ends": _given(new).ends})

    @cached_property
    def free(self) -> sa.Update:
        """End the locks that are `held`: name and token of each; `names` once more."""
        # For good, also if the clock is set back.
        return self._held.values(ends=0)

    @cached_property
    def renew(self) -> sa.Update:
        """Let the locks that are `held` stand for `length` microseconds from now."""
        return self._held.values(ends=clock() + sa.bindparam("length", type_=_NUMBER))

    @cached_property
    def _held(self) -> sa.Update:
        table = self._table.c
        held: Any = sa.bindparam("held", expanding=True)
        return sa.update(self._table).where(
            # Of a pair, MariaDB and SQLite do not always see that it begins with a key.
            table.name.in_(sa.bindparam("names", expanding=True)),
            sa.tuple_(table.name, table.token).in_(held),
            table.ends > clock(),
        )

    @cached_property
    def forget(self) -> sa.Update:
        """End the `cell`."""
        named = self._table.c.name == sa.bindparam("cell")
        return sa.update(self._table).where(named).values(ends=0)

    @cached_property
    def swept(self) -> Sequence[sa.Select[Any]]:
        """Find names of what was over at `past`, by its clock, `some` at most.

        Freed locks are asked for by themselves: all ends of theirs are equal, and so
        the index finds the old ones among any number that are not.
        """
        ends, fence = self._table.c.ends, self._table.c.fence
        freed = sa.and_(ends == 0, fence < _PAST)
        over = sa.and_(ends > 0, self._old)
        names = sa.select(self._table.c.name)
        some = sa.bindparam("some", type_=_NUMBER)
        return [names.where(old).limit(some) for old in (freed, over)]

    @cached_property
    def sweep(self) -> sa.Delete:
        """Delete those `names`, unless they count again, or did after `past`."""
        named = self._table.c.name.in_(sa.bindparam("names", expanding=True))
        return sa.delete(self._table).where(named, self._old)

    @cached_property
    def _old(self) -> sa.ColumnElement[bool]:
        # The fence is when a lock was taken, however it ended.
        return sa.and_(self._table.c.ends < _PAST, self._table.c.fence < _PAST)

    def _or_update(self, new: Any, values: dict[str, Any], where: Any = None) -> Any:
        if not self.on_conflict:
            return new.on_duplicate_key_update(**values)
        names = [self._table.c.name]
        return new.on_conflict_do_update(index_elements=names, set_=values, where=where)


_NUMBER = sa.BigInteger()

#: A number: PostgreSQL looks into no index for what a clock says.
_PAST: sa.BindParameter[int] = sa.bindparam("past", type_=_NUMBER)


def _given(new: Any) -> Any:
    """The row that could not be inserted, because there is one."""
    return new.inserted if hasattr(new, "inserted") else new.excluded
