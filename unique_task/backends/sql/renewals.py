"""Renews many locks of a database by one statement."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from ..cells import ADMITTED, LOCK, Cell, holder_name, mark_name
from ..steps import Renewal
from .database import Database
from .holders import HolderStatements
from .statements import Statements, microseconds
from .table import cells_of, clock, row_name, row_of


def alike(renewals: Sequence[Renewal]) -> Collection[list[int]]:
    """Return the numbers of the renewals that one statement can do."""
    found = defaultdict(list)
    for number, one in enumerate(renewals):
        found[one.expire, one.leaving, one.limit > 1].append(number)
    return found.values()


class Renewals:
    """Holds locks for longer, many at once.

    Arguments:
        database: the one with the table.
        statements: for this table.
        holders: statements for the locks that several hold.
    """

    def __init__(
        self, database: Database, statements: Statements, holders: HolderStatements
    ) -> None:
        self._database = database
        self._statements = statements
        self._holders = holders

    def renew_all(self, renewals: Sequence[Renewal]) -> list[bool]:
        """Renew locks that are :func:`alike`; return which of them are still held."""
        return self._database.run(lambda one: self._renew_all(one, renewals))

    def _renew_all(
        self, connection: sa.Connection, renewals: Sequence[Renewal]
    ) -> list[bool]:
        renew = self._renew_places if renewals[0].limit > 1 else self._renew
        count = renew(connection, renewals)
        whole = count == len(renewals)
        held = [True] * count if whole else self._held(connection, renewals)
        marks = [
            one for one, is_held in zip(renewals, held) if is_held and one.remember_for
        ]
        if marks:
            self._prolong_marks(connection, marks)
        return held

    def _renew_places(
        self, connection: sa.Connection, renewals: Sequence[Renewal]
    ) -> int:
        """Renew places of locks that several hold; return as :meth:`_renew` does."""
        anchors = {
            "names": sorted({row_name(one.key, LOCK) for one in renewals}),
            "length": microseconds(renewals[0].expire),
        }
        with self._database.transaction(connection):
            # This locks their rows, so nobody counts the holders meanwhile.
            connection.execute(self._holders.prolong, anchors)
            count = self._renew(connection, renewals)
            # Once more: an anchor must not end before a holder.
            connection.execute(self._holders.prolong, anchors)
        return count

    def _renew(self, connection: sa.Connection, renewals: Sequence[Renewal]) -> int:
        """Return how many of the rows are held, and are renewed."""
        names = [_row_of_holder(one) for one in renewals]
        tokens = [one.record.token.encode() for one in renewals]
        parameters = {
            "names": names,
            "held": list(zip(names, tokens)),
            "length": microseconds(renewals[0].expire),
        }
        count: int = connection.execute(self._statements.renew, parameters).rowcount
        return count

    def _held(
        self, connection: sa.Connection, renewals: Sequence[Renewal]
    ) -> list[bool]:
        names = [_row_of_holder(one) for one in renewals]
        found = self._statements.rows(connection, names)
        rows = {row.name: row for row in found}
        return [
            name in rows and _is_held(name, rows[name], one.record.token)
            for name, one in zip(names, renewals)
        ]

    def _prolong_marks(
        self, connection: sa.Connection, marks: Sequence[Renewal]
    ) -> None:
        now = connection.scalar(sa.select(clock())) or 0
        rows = []
        for renewal in marks:
            name = mark_name(renewal.record.token)
            cell = Cell(ADMITTED, now / 1e6 + renewal.remember_for)
            rows.append(row_of(row_name(renewal.key, name), name, cell))
        connection.execute(self._statements.prolong, rows)


def _row_of_holder(renewal: Renewal) -> str:
    alone = renewal.limit == 1
    name = LOCK if alone else holder_name(renewal.record.token)
    return row_name(renewal.key, name)


def _is_held(name: str, row: Any, token: str) -> bool:
    return cells_of({LOCK: name}, [row]).held_by(token) is not None
