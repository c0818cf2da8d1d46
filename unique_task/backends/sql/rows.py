"""Cells as rows of the table of locks, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from ..cells import LOCK, Cell, Cells
from .statements import Statements


def find(
    connection: sa.Connection, say: Statements, names: Iterable[str]
) -> Sequence[Any]:
    """Return the rows of those names, each with the time."""
    return connection.execute(say.find, {"names": list(names)}).all()


def cells_of(names: Mapping[str, str], rows: Sequence[Any]) -> Cells:
    """Return what the rows hold, of which there is at least one.

    Arguments:
        names: of the cells, and of their rows.
    """
    by_name = {row.name: row for row in rows}
    found = {
        name: Cell(_content(name, by_name[short]), by_name[short].ends / 1e6)
        for name, short in names.items()
        if short in by_name
    }
    now, last = rows[0].now, max(row.fence for row in rows)
    return Cells(found, now / 1e6, max(now, last + 1), last)


def _content(name: str, row: Any) -> bytes:
    if name != LOCK or not row.content:
        return bytes(row.content)
    version, _, tail = bytes(row.content).partition(b" ")
    return b"%b %d %b" % (version, row.fence, tail)


def row_of(short: str, name: str, cell: Cell) -> dict[str, Any]:
    """Return the row that keeps a cell.

    Arguments:
        short: name of the row.
        name: of the cell.
    """
    row = {
        "name": short,
        "token": None,
        "content": cell.content,
        "fence": 0,
        "ends": round(cell.end * 1e6),
    }
    if name == LOCK:
        version, fence, tail = cell.content.split(b" ", 2)
        token = tail.partition(b" ")[0]
        row |= {"token": token, "content": version + b" " + tail, "fence": int(fence)}
    return row
