"""The table of locks in a database, and the statements on it.

A lock whose time is over stays as a row, so that fences go on to grow even if the
database's clock is set back; what is long over is swept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from .record import Record

#: Longest name of a cell; in ASCII.
NAME_LENGTH = 200

_MICROSECONDS = 1_000_000

#: A function of ours: SQLite's own clock knows milliseconds only.
SQLITE_CLOCK = "unique_task_clock"


class clock(FunctionElement[int]):  # noqa: N801 - it is written as a function in SQL
    """Microseconds since 1970, by the database's clock when the row is read."""

    type = sa.BigInteger()
    inherit_cache = True


@compiles(clock, "postgresql")
def _postgresql_clock(element: clock, compiler: Any, **options: Any) -> str:
    # now() is when the transaction began, which may have waited for a lock since.
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"


@compiles(clock, "mysql")
@compiles(clock, "mariadb")
def _mysql_clock(element: clock, compiler: Any, **options: Any) -> str:
    # Of UTC: local time comes twice in the night when summer time ends.
    return "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))"


@compiles(clock, "sqlite")
def _sqlite_clock(element: clock, compiler: Any, **options: Any) -> str:
    return f"{SQLITE_CLOCK}()"


def lock_table(name: str, schema: str | None = None) -> sa.Table:
    """Return the table that :class:`.sql.SQLBackend` keeps its locks in."""
    binary = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
    text = sa.String(NAME_LENGTH).with_variant(
        mysql.VARCHAR(NAME_LENGTH, charset="ascii", collation="ascii_bin"),
        "mysql",
        "mariadb",
    )
    return sa.Table(
        name,
        sa.MetaData(),
        sa.Column("name", text, primary_key=True),
        # Of who has the lock; as bytes, which all databases compare alike.
        sa.Column("token", binary),
        sa.Column("content", binary, nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        # When it is over, in microseconds since 1970.
        sa.Column("ends", sa.BigInteger, nullable=False),
        sa.Index(f"{name}_ends", "ends"),
        schema=schema,
        # One that knows transactions.
        mysql_engine="InnoDB",
        mariadb_engine="InnoDB",
    )


def microseconds(seconds: float) -> int:
    """Return seconds as the table counts them."""
    # 2**32 seconds are longer than any lock stands.
    return max(1, round(min(seconds, 2**32) * _MICROSECONDS))


class Statements:
    """What is said to one kind of database about the table.

    Arguments:
        dialect: name of the database: ``postgresql``, ``mysql``, ``sqlite``.
    """

    def __init__(self, table: sa.Table, dialect: str) -> None:
        self._table = table
        self._insert = {
            "postgresql": postgresql.insert,
            "sqlite": sqlite.insert,
            "mysql": mysql.insert,
            "mariadb": mysql.insert,
        }[dialect]
        #: Whether one statement can take a lock where it is free, and tell its fence.
        self.take_at_once = dialect in ("postgresql", "sqlite")

    def take(
        self, name: str, record: Record, content: bytes, expire: float, over: Any
    ) -> sa.Executable:
        """Take a lock that is free, over, or held by one of the tokens in `over`."""
        table, ends = self._table.c, clock() + microseconds(expire)
        new: Any = self._insert(self._table).values(
            name=name,
            token=record.token.encode(),
            content=content,
            fence=clock(),
            ends=ends,
        )
        free = sa.or_(
            table.ends <= clock(), table.token.in_([token.encode() for token in over])
        )
        statement: sa.Executable = new.on_conflict_do_update(
            index_elements=[table.name],
            set_={
                "token": new.excluded.token,
                "content": new.excluded.content,
                "fence": sa.case(
                    (clock() > table.fence, clock()), else_=table.fence + 1
                ),
                "ends": ends,
            },
            where=free if over else table.ends <= clock(),
        ).returning(table.fence)
        return statement

    def claim(self, name: str) -> sa.Executable:
        """Lock the row of a lock for this transaction; it is made if there is none."""
        new: Any = self._insert(self._table).values(
            name=name, content=b"", fence=0, ends=0
        )
        return self._or_update(new, {"name": self._table.c.name})

    def find(self, names: Sequence[str]) -> sa.Select[Any]:
        """Read cells, with the time."""
        table = self._table.c
        return sa.select(
            table.name, table.content, table.fence, table.ends, clock().label("now")
        ).where(table.name.in_(names))

    def keep(self) -> sa.Executable:
        """Keep a cell, whatever its row says; the parameters are the columns."""
        new: Any = self._insert(self._table)
        given = new.inserted if hasattr(new, "inserted") else new.excluded
        columns = ("token", "content", "fence", "ends")
        return self._or_update(new, {column: given[column] for column in columns})

    def free(self, name: str, token: str) -> sa.Update:
        """End a lock, if `token` has it."""
        # For good, also if the clock is set back.
        return self._held([(name, token)]).values(ends=0)

    def renew(self, held: Iterable[tuple[str, str]], expire: float) -> sa.Update:
        """Let locks, by name and token, stand for longer."""
        return self._held(held).values(ends=clock() + microseconds(expire))

    def forget(self, name: str) -> sa.Update:
        """End a cell."""
        return sa.update(self._table).where(self._table.c.name == name).values(ends=0)

    def swept(self, seconds: float, limit: int) -> sa.Select[Any]:
        """Find some names of what has been over for so long."""
        return sa.select(self._table.c.name).where(self._old(seconds)).limit(limit)

    def sweep(self, names: Sequence[str], seconds: float) -> sa.Delete:
        """Delete them, unless they count again."""
        named = self._table.c.name.in_(names)
        return sa.delete(self._table).where(named, self._old(seconds))

    def _old(self, seconds: float) -> sa.ColumnElement[bool]:
        # The fence is when a lock was taken, however it ended.
        past = clock() - microseconds(seconds)
        return sa.and_(self._table.c.ends < past, self._table.c.fence < past)

    def _held(self, held: Iterable[tuple[str, str]]) -> sa.Update:
        table = self._table.c
        pairs = [(name, token.encode()) for name, token in held]
        return sa.update(self._table).where(
            sa.tuple_(table.name, table.token).in_(pairs), table.ends > clock()
        )

    def _or_update(self, new: Any, values: dict[str, Any]) -> sa.Executable:
        statement: sa.Executable
        if hasattr(new, "on_duplicate_key_update"):
            statement = new.on_duplicate_key_update(**values)
        else:
            names = [self._table.c.name]
            statement = new.on_conflict_do_update(index_elements=names, set_=values)
        return statement
