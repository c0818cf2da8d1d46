"""The statements that give a holder one of several places of a lock, and free it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import sqlalchemy as sa

from .anchors import anchored, is_anchor, kept
from .both import BothInBlock, BothInTransaction
from .direct import DirectStatement
from .statements import Statements, direct
from .table import clock

_NUMBER = sa.BigInteger()
_BYTES = sa.LargeBinary()
_LOCK: sa.BindParameter[str] = sa.bindparam("lock", type_=sa.String())
_HOLDER: sa.BindParameter[str] = sa.bindparam("holder", type_=sa.String())
_TOKEN: sa.BindParameter[bytes] = sa.bindparam("token", type_=_BYTES)
_CONTENT: sa.BindParameter[bytes] = sa.bindparam("content", type_=_BYTES)
_LENGTH: sa.BindParameter[int] = sa.bindparam("length", type_=_NUMBER)
_LIMIT: sa.BindParameter[int] = sa.bindparam("limit", type_=_NUMBER)
_ZERO: sa.ColumnElement[int] = sa.literal_column("0")
_EMPTY: sa.ColumnElement[bytes] = sa.cast(sa.literal_column("''"), _BYTES)
_ONE: sa.ColumnElement[int] = sa.literal_column("1")


class PlaceStatements:
    """Statements for what is common; where they find anything else, they do nothing.

    They lock the row `lock` of the anchor before they look at the row `holder`, see
    :class:`.Changes`.

    Arguments:
        statements: for the same table.
        dialect: of the database.
    """

    def __init__(
        self, table: sa.Table, statements: Statements, dialect: sa.Dialect
    ) -> None:
        self._table = table
        self._statements = statements
        self._dialect = dialect

    @cached_property
    def take(self) -> DirectStatement:
        """Give `holder` a place if the lock is free, or has an anchor below `limit`.

        Parameters: `token`, `content`; `length` in microseconds. Returns the fence.
        """
        if self._dialect.name == "postgresql":
            return direct(self._take_by_one(), self._dialect)
        fence = self._table.c.fence
        if self._dialect.name == "sqlite":
            new = self._statements.keep_new(self._place(*BothInTransaction.FOUND))
            first: Any = self._count_one_more().returning(fence, self._table.c.ends)
            return BothInTransaction(first, new, self._dialect)
        new = self._statements.keep_new(self._place(*BothInBlock.FOUND)).returning(
            fence
        )
        return BothInBlock(self._count_one_more(note=True), new, self._dialect)

    def _take_by_one(self) -> Any:
        table = self._table.c
        # It may see a holder too late; then it counts one too many, which is allowed.
        unknown = sa.not_(sa.exists(_ONE).where(table.name == _HOLDER))
        anchor = self._count_one_more().where(unknown).returning(*table).cte("anchor")
        place = sa.select(*self._place(anchor.c.fence, anchor.c.ends).values())
        return self._statements.keep_new(place).returning(table.fence)

    @cached_property
    def leave(self) -> DirectStatement:
        """Free the place of `holder` if it has the `token`, and return a row if so."""
        if self._dialect.name == "postgresql":
            return direct(self._leave_by_one(), self._dialect)
        first: Any = self._count_one_less
        if self._dialect.name == "sqlite":
            first = first.returning(self._table.c.fence, self._table.c.ends)
            return BothInTransaction(first, self._forget, self._dialect)
        return BothInBlock(first, self._forget, self._dialect)

    def _leave_by_one(self) -> Any:
        table = self._table.c
        anchor = sa.select(table.name).where(table.name == _LOCK).with_for_update()
        locked = sa.exists(_ONE).select_from(anchor.cte("anchor"))
        gone = self._forget.where(locked).returning(table.name).cte("gone")
        left = self._count_one_less.where(sa.exists(_ONE).select_from(gone))
        return left.returning(table.fence)

    def _count_one_more(self, note: bool = False) -> sa.Update:
        table = self._table.c
        held, number = table.ends > clock(), kept(table.content)
        shared = is_anchor(table.content)
        # Not one whose holders' time has ended: their rows are to be deleted.
        free = sa.and_(sa.not_(held), sa.or_(table.ends == _ZERO, sa.not_(shared)))
        room = sa.and_(held, shared, number < _LIMIT)
        more = sa.case((held, number + _ONE), else_=_ONE)
        fence = self._statements.greatest(clock(), table.fence + _ONE)
        end = self._statements.greatest(table.ends, clock() + _LENGTH)
        if note:
            fence, end = BothInBlock.noting(fence, end)
        # MariaDB sets one after the other: the end decides what the others become.
        return (
            sa.update(self._table)
            .where(table.name == _LOCK, sa.or_(free, room))
            .ordered_values(
                (table.token, _EMPTY),
                (table.content, anchored(more)),
                (table.fence, fence),
                (table.ends, end),
            )
        )

    def _place(self, fence: Any, end: Any) -> dict[str, Any]:
        """Return the row of the holder, for the fence and the end of its anchor."""
        # Not after the anchor, whose end is from an earlier moment.
        end = self._statements.least(end, clock() + _LENGTH)
        given = {"name": _HOLDER, "token": _TOKEN, "content": _CONTENT}
        return {**given, "fence": fence, "ends": end}

    @property
    def _count_one_less(self) -> sa.Update:
        table = self._table.c
        number = kept(table.content)
        several, fewer = number > _ONE, anchored(number - _ONE)
        # MariaDB sets one after the other: the content has the number.
        return (
            sa.update(self._table)
            .where(table.name == _LOCK, is_anchor(table.content))
            .ordered_values(
                (table.ends, sa.case((several, table.ends), else_=_ZERO)),
                (table.content, sa.case((several, fewer), else_=table.content)),
            )
        )

    @property
    def _forget(self) -> sa.Delete:
        table = self._table.c
        named = table.name == _HOLDER
        held = sa.delete(self._table).where(named, table.token == _TOKEN)
        return held.where(table.ends > clock())
