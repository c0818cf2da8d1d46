"""Renews many locks of a database by one statement."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from ..cells import ADMITTED, LOCK, Cell, mark_name, short_name
from ..steps import Renewal
from .statements import Statements, held_by, microseconds
from .table import NAME_LENGTH, cells_of, clock, row_of


def alike(renewals: Sequence[Renewal]) -> dict[tuple[float, bool], list[int]]:
    """Return the numbers of the renewals that one statement can do."""
    found = defaultdict(list)
    for number, one in enumerate(renewals):
        found[one.expire, one.leaving].append(number)
    return found


def renew_all(
    connection: sa.Connection,
    statements: Statements,
    renewals: Sequence[Renewal],
    expire: float,
) -> list[bool]:
    """Hold locks for `expire` more seconds; return which of them are still held."""
    locks = held_by([(one.key, one.record.token) for one in renewals])
    parameters = {**locks, "length": microseconds(expire)}
    count = connection.execute(statements.renew, parameters).rowcount
    whole = count == len(renewals)
    held = [True] * count if whole else _held(connection, statements, renewals)
    marks = [
        one for one, is_held in zip(renewals, held) if is_held and one.remember_for
    ]
    if marks:
        _prolong_marks(connection, statements, marks)
    return held


def _held(
    connection: sa.Connection, statements: Statements, renewals: Sequence[Renewal]
) -> list[bool]:
    names = [short_name(one.key, LOCK, NAME_LENGTH) for one in renewals]
    rows = {row.name: row for row in statements.rows(connection, names)}
    return [
        name in rows and _is_held(name, rows[name], one.record.token)
        for name, one in zip(names, renewals)
    ]


def _is_held(name: str, row: Any, token: str) -> bool:
    return cells_of({LOCK: name}, [row]).held_by(token) is not None


def _prolong_marks(
    connection: sa.Connection, statements: Statements, marks: Sequence[Renewal]
) -> None:
    now = connection.scalar(sa.select(clock())) or 0
    rows = []
    for renewal in marks:
        name = mark_name(renewal.record.token)
        cell = Cell(ADMITTED, now / 1e6 + renewal.remember_for)
        rows.append(row_of(short_name(renewal.key, name, NAME_LENGTH), name, cell))
    connection.execute(statements.prolong, rows)
