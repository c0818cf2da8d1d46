"""The table of locks in a database, and the clock of that.

A lock whose time is over stays as a row, so that fences go on to grow even if the
database's clock is set back; what is long over is swept.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

#: Longest name of a cell; in ASCII.
NAME_LENGTH = 200

#: A function of ours: SQLite's own clock knows milliseconds only.
SQLITE_CLOCK = "unique_task_clock"


class clock(FunctionElement[int]):  # noqa: N801 - it is written as a function in SQL
    """Microseconds since 1970, by the database's clock when the statement runs."""

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
        # For the sweep, which looks for both; of a freed lock the end is 0.
        sa.Index(f"{name}_ends", "ends", "fence"),
        schema=schema,
        # One that knows transactions.
        mysql_engine="InnoDB",
        mariadb_engine="InnoDB",
    )


def ddl_of(table: sa.Table, dialect: sa.Dialect) -> str:
    """Return the statements that create `table` and its index, unless they exist."""
    create = sa.schema.CreateTable(table, if_not_exists=True)
    text = str(create.compile(dialect=dialect)).strip()
    [index] = table.indexes
    if dialect.name not in ("mysql", "mariadb"):
        indexed = sa.schema.CreateIndex(index, if_not_exists=True)
        return f"{text};\n{indexed.compile(dialect=dialect)};"
    # MySQL cannot ask for an index whether it exists: it is made with the table.
    name = dialect.identifier_preparer.quote(str(index.name))
    columns = ", ".join(column.name for column in index.columns)
    first = f"INDEX {name} ({columns}), \n\t"
    return text.replace("PRIMARY KEY", f"{first}PRIMARY KEY") + ";"
