"""Many locks of a database that are renewed by one statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from ..cells import ADMITTED, LOCK, Cell, mark_name, short_name
from ..steps import Renewal
from .rows import cells_of, find, row_of
from .statements import Statements, held_by, microseconds
from .table import NAME_LENGTH, clock


def renew_all(
    connection: sa.Connection,
    say: Statements,
    renewals: Sequence[Renewal],
    expire: float,
) -> list[bool]:
    """Let locks stand for `expire` seconds, where they are held; tell which are."""
    locks = held_by([(one.key, one.record.token) for one in renewals])
    parameters = {**locks, "length": microseconds(expire)}
    count = connection.execute(say.renew, parameters).rowcount
    whole = count == len(renewals)
    held = [True] * count if whole else _held(connection, say, renewals)
    marks = [
        one for one, is_held in zip(renewals, held) if is_held and one.remember_for
    ]
    if marks:
        _prolong_marks(connection, say, marks)
    return held


def _held(
    connection: sa.Connection, say: Statements, renewals: Sequence[Renewal]
) -> list[bool]:
    names = [short_name(one.key, LOCK, NAME_LENGTH) for one in renewals]
    rows = {row.name: row for row in find(connection, say, names)}
    return [
        name in rows and _is_held(name, rows[name], one.record.token)
        for name, one in zip(names, renewals)
    ]


def _is_held(name: str, row: Any, token: str) -> bool:
    return cells_of({LOCK: name}, [row]).held_by(token) is not None


def _prolong_marks(
    connection: sa.Connection, say: Statements, marks: Sequence[Renewal]
) -> None:
    now = connection.scalar(sa.select(clock())) or 0
    rows = []
    for renewal in marks:
        name = mark_name(renewal.record.token)
        cell = Cell(ADMITTED, now / 1e6 + renewal.remember_for)
        rows.append(row_of(short_name(renewal.key, name, NAME_LENGTH), name, cell))
    connection.execute(say.prolong, rows)
