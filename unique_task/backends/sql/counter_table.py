"""The table of counters in a database, beside that of locks: its columns, its rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any

import sqlalchemy as sa

from ..counting import Counter
from .table import BYTES, NAME


def counter_table(locks: sa.Table) -> sa.Table:
    """Return the table of counters beside that of locks.

    The columns are a stored format: processes of two versions share the table.
    """
    name = _name_beside(locks.name)
    return sa.Table(
        name,
        sa.MetaData(),
        # Of a counter in one minute, or of a flush.
        sa.Column("name", NAME, primary_key=True),
        # 1 in the row of a flush, which tells that it was counted; 0 in all others.
        sa.Column("flush", sa.SmallInteger, nullable=False),
        # Since 1970.
        sa.Column("minute", sa.BigInteger, nullable=False),
        # NULL in the row of a flush, as the two below. Databases compare bytes alike.
        sa.Column("prefix", BYTES),
        sa.Column("task", BYTES),
        sa.Column("counter", BYTES),
        sa.Column("amount", sa.Double, nullable=False),
        # Who reads the last minutes looks for both columns, and so does the sweeper.
        sa.Index(f"{name}_minute", "flush", "minute"),
        schema=locks.schema,
        # The engine that knows transactions.
        mysql_engine="InnoDB",
        mariadb_engine="InnoDB",
    )


def _name_beside(locks: str) -> str:
    # PostgreSQL takes 63 letters, also for the name of the index.
    if len(locks) > _LONGEST:
        locks = f"{locks[: _LONGEST - 9]}_{_digest(locks)[:8]}"
    return f"{locks}_counters"


_LONGEST = 63 - len("_counters_minute")


def flush_row(flush: str, minute: int, prefix: str) -> dict[str, Any]:
    """Return the row that tells that a flush was counted."""
    name = f"flush:{_digest(prefix, flush)}"
    empty = {"prefix": None, "task": None, "counter": None, "amount": 0.0}
    return {"name": name, "flush": 1, "minute": minute, **empty}


def counter_rows(
    amounts: Mapping[Counter, float], minute: int, prefix: str
) -> list[dict[str, Any]]:
    """Return the rows of some counters in one minute, in the order of their names."""
    # Two processes that change the same rows in one order never wait for each other.
    rows = _counter_rows(amounts, minute, prefix)
    return sorted(rows, key=lambda row: str(row["name"]))


def _counter_rows(
    amounts: Mapping[Counter, float], minute: int, prefix: str
) -> Iterator[dict[str, Any]]:
    for (task, counter), amount in amounts.items():
        yield {
            "name": f"{minute}:{_digest(prefix, task, counter)}",
            "flush": 0,
            "minute": minute,
            "prefix": prefix.encode(),
            "task": task.encode(),
            "counter": counter.encode(),
            "amount": float(amount),
        }


def _digest(*texts: str) -> str:
    # JSON tells ("a", "b c") from ("a b", "c").
    return blake2b(json.dumps(texts).encode(), digest_size=16).hexdigest()
