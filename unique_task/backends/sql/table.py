"""The table of locks in a database: its columns, its rows as cells, and its clock.

A lock that is over stays as a row: its next fence must be greater even if the
database's clock is set back. The sweeper deletes old rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from ..cells import LOCK, Cell, Cells, Crowd, is_holder, short_name
from ..record import ANCHOR

#: Greatest length of the name of a row, in ASCII.
NAME_LENGTH = 200

#: Our function in SQLite, whose own clock counts milliseconds only.
SQLITE_CLOCK = "unique_task_clock"


class clock(FunctionElement[int]):  # noqa: N801 - it is written as a function in SQL
    """Microseconds since 1970, by the database's clock when the statement runs."""

    type = sa.BigInteger()
    inherit_cache = True


@compiles(clock, "postgresql")
def _postgresql_clock(element: clock, compiler: Any, **options: Any) -> str:
    # now() is the start of the transaction, which may have waited for a lock since.
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"


@compiles(clock, "mysql")
@compiles(clock, "mariadb")
def _mysql_clock(element: clock, compiler: Any, **options: Any) -> str:
    # UTC: an hour of local time comes twice when summer time ends.
    return "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))"


@compiles(clock, "sqlite")
def _sqlite_clock(element: clock, compiler: Any, **options: Any) -> str:
    return f"{SQLITE_CLOCK}()"


BYTES = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
NAME = sa.String(NAME_LENGTH).with_variant(
    mysql.VARCHAR(NAME_LENGTH, charset="ascii", collation="ascii_bin"),
    "mysql",
    "mariadb",
)


def lock_table(name: str, schema: str | None = None) -> sa.Table:
    """Return the table in which :class:`.sql.SQLBackend` keeps its locks.

    The columns are a stored format, and processes of two versions share the table. The
    version of a row is the first word of its `content`; what a column holds must not
    change without a new :data:`.record.VERSION`.
    """
    return sa.Table(
        name,
        sa.MetaData(),
        # Of a cell, see row_name().
        sa.Column("name", NAME, primary_key=True),
        # The holder's, empty in an anchor; NULL in cells that are neither a lock nor a
        # holder. Databases compare bytes alike.
        sa.Column("token", BYTES),
        # Of the cell; a record or an anchor is without its fence.
        sa.Column("content", BYTES, nullable=False),
        # The lock's last one, also when it is free; a holder's; 0 in all other cells.
        sa.Column("fence", sa.BigInteger, nullable=False),
        # End of the cell, in microseconds since 1970; 0 once it was released.
        sa.Column("ends", sa.BigInteger, nullable=False),
        # The sweeper looks for both columns.
        sa.Index(f"{name}_ends", "ends", "fence"),
        schema=schema,
        # The engine that knows transactions.
        mysql_engine="InnoDB",
        mariadb_engine="InnoDB",
    )


def ddl_of(table: sa.Table, dialect: sa.Dialect) -> str:
    """Return the statements that create `table` and its index if they are missing."""
    create = sa.schema.CreateTable(table, if_not_exists=True)
    text = str(create.compile(dialect=dialect)).strip()
    [index] = table.indexes
    if dialect.name not in ("mysql", "mariadb"):
        indexed = sa.schema.CreateIndex(index, if_not_exists=True)
        return f"{text};\n{indexed.compile(dialect=dialect)};"
    # MySQL knows no "IF NOT EXISTS" for an index: the table is created with it.
    name = dialect.identifier_preparer.quote(str(index.name))
    columns = ", ".join(column.name for column in index.columns)
    first = f"INDEX {name} ({columns}), \n\t"
    return text.replace("PRIMARY KEY", f"{first}PRIMARY KEY") + ";"


def row_name(key: str, name: str) -> str:
    """Return the name of the row that keeps a cell."""
    if is_holder(name):
        return f"{holders_prefix(key)}{_digits(name)}"
    return short_name(key, name, NAME_LENGTH)


def key_of_lock(row: str) -> str | None:
    """Return the key of a lock whose row has this name, None if it is a digest."""
    key = row.removeprefix("unique:").removesuffix(f":{LOCK}")
    return key if row == f"unique:{key}:{LOCK}" else None


def holders_prefix(key: str) -> str:
    """Return what the names of the holders of `key` begin with.

    Digits follow it. In every collation, digits of one number stand in the same order,
    so a range of names has the holders of this key and no other row.
    """
    return f"unique:holder:{_digits(key)}:"


def _digits(text: str) -> str:
    digest = blake2b(text.encode(), digest_size=16).digest()
    return f"{int.from_bytes(digest, 'big'):0{HOLDER_DIGITS}d}"


#: Digits of 128 bits.
HOLDER_DIGITS = 39


def cells_of(
    names: Mapping[str, str], rows: Sequence[Any], crowd: Crowd | None = None
) -> Cells:
    """Return the cells in `rows`, of which there is at least one.

    Arguments:
        names: from the name of each cell to the name of its row.
    """
    by_name = {row.name: row for row in rows}
    found = {
        name: cell_in(name, by_name[short])
        for name, short in names.items()
        if short in by_name
    }
    now, last = rows[0].now, max(row.fence for row in rows)
    return Cells(found, now / 1e6, max(now, last + 1), last, crowd)


def cell_in(name: str, row: Any) -> Cell:
    """Return the cell that a row keeps."""
    return Cell(_content(name, row), row.ends / 1e6)


def _content(name: str, row: Any) -> bytes:
    if not _has_fence(name) or not row.content:
        return bytes(row.content)
    version, _, tail = bytes(row.content).partition(b" ")
    return b"%b %d %b" % (version, row.fence, tail)


def _has_fence(name: str) -> bool:
    """Tell whether the fence of a cell stands in its own column."""
    return name == LOCK or is_holder(name)


def row_of(short: str, name: str, cell: Cell) -> dict[str, Any]:
    """Return the row that keeps a cell.

    Arguments:
        short: name of the row.
        name: name of the cell.
    """
    row = {
        "name": short,
        "token": None,
        "content": cell.content,
        "fence": 0,
        "ends": round(cell.end * 1e6),
    }
    if _has_fence(name):
        version, fence, tail = cell.content.split(b" ", 2)
        # An anchor has no token: b"", as older versions read it as bytes.
        token = b"" if version == ANCHOR.encode() else tail.partition(b" ")[0]
        row |= {"token": token, "content": version + b" " + tail}
        row |= {"fence": int(fence)}
    return row
