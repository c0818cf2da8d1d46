"""The rows of the holders of locks that several hold, and the statements about them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import sqlalchemy as sa

from .statements import Statements
from .table import HOLDER_DIGITS, clock, holders_prefix

#: Rows of holders whose time has ended that one statement deletes at most.
SOME = 1000

#: Rows of all holders, where a number of rows is asked for.
ALL = 2**31 - 1

_NUMBER = sa.BigInteger()
_NOW: sa.BindParameter[int] = sa.bindparam("now", type_=_NUMBER)
_MOST: sa.BindParameter[int] = sa.bindparam("most", type_=_NUMBER)


class HolderStatements:
    """The statements for locks with several holders, see :mod:`..places`.

    The rows of the holders of a key are those with names from `lowest` to `highest`.
    Whoever changes them, or counts them for a change, has locked the row of the anchor.
    """

    def __init__(self, table: sa.Table, statements: Statements) -> None:
        self._table = table
        self._statements = statements

    @cached_property
    def ending(self) -> sa.Select[Any]:
        """Read the `most` holders that end first, of those that end after `now`."""
        table = self._table.c
        found = sa.select(table.name, table.content, table.fence, table.ends)
        living = found.where(_of_key(table.name), table.ends > _NOW)
        return living.order_by(table.ends).limit(_MOST)

    @cached_property
    def over(self) -> sa.Select[Any]:
        """Find the names of `most` holders whose time has ended at `now`."""
        table = self._table.c
        over = sa.select(table.name).where(_of_key(table.name), table.ends <= _NOW)
        return over.limit(_MOST)

    @cached_property
    def forget(self) -> sa.Delete:
        """Delete the rows `names`."""
        return sa.delete(self._table).where(_named(self._table))

    @cached_property
    def count(self) -> sa.Select[Any]:
        """Count the holders that end after `now`."""
        table = self._table.c
        living = sa.select(sa.func.count()).select_from(self._table)
        return living.where(_of_key(table.name), table.ends > _NOW)

    @cached_property
    def prolong(self) -> sa.Update:
        """Let the anchors `names` end in `length` microseconds, or later."""
        table = self._table.c
        end = clock() + sa.bindparam("length", type_=_NUMBER)
        return (
            sa.update(self._table)
            .values(ends=self._statements.greatest(table.ends, end))
            .where(_named(self._table), table.token == b"", table.ends > clock())
        )


def _named(table: sa.Table) -> sa.ColumnElement[bool]:
    return table.c.name.in_(sa.bindparam("names", expanding=True))


def _of_key(name: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    return name.between(sa.bindparam("lowest"), sa.bindparam("highest"))


def range_of(key: str) -> dict[str, str]:
    """Return the parameters `lowest` and `highest` for the holders of `key`."""
    prefix = holders_prefix(key)
    return {
        "lowest": prefix + "0" * HOLDER_DIGITS,
        "highest": prefix + "9" * HOLDER_DIGITS,
    }
