"""Takes and releases a lock in one round trip, where nothing else is to be done."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from ..cells import LOCK, holder_name
from ..record import VERSION
from ..steps import Acquired, Acquisition, Release
from .database import Database
from .place_statements import PlaceStatements
from .statements import Statements, microseconds
from .table import row_name


class AtOnce:
    """What one statement can do with the locks of a table.

    Arguments:
        database: the one with the table.
        statements: for locks that one holds.
        places: for locks that several hold.
    """

    def __init__(
        self, database: Database, statements: Statements, places: PlaceStatements
    ) -> None:
        self._database = database
        self._statements = statements
        self._places = places

    def can_take(self, wanted: Acquisition) -> bool:
        """Tell whether one statement can take the lock."""
        if not (wanted.bare and wanted.expire) or wanted.keep_end:
            return False
        others, own = wanted.take_over_from, wanted.record.token
        alone = wanted.limit == 1 and self._statements.on_conflict
        taken = not others or (alone and own not in others)
        return bool(taken and self._database.tells_inserted)

    def take(self, wanted: Acquisition) -> Acquired | None:
        """Take the lock; return None if one statement did not do it."""
        take = self._take if wanted.limit == 1 else self._take_place
        return self._database.run(lambda connection: take(connection, wanted))

    def _take(self, connection: sa.Connection, wanted: Acquisition) -> Acquired | None:
        token, over = wanted.record.token.encode(), wanted.take_over_from
        values = {"name": row_name(wanted.key, LOCK), **_values(wanted)}
        values |= {f"over_{number}": one.encode() for number, one in enumerate(over)}
        row = self._statements.take(len(over)).row(connection, values)
        return Acquired(row[1]) if row and bytes(row[0]) == token else None

    def _take_place(
        self, connection: sa.Connection, wanted: Acquisition
    ) -> Acquired | None:
        values = {**_names(wanted.key, wanted.record.token), **_values(wanted)}
        values |= {"limit": wanted.limit}
        row = self._places.take.row(connection, values)
        return Acquired(row[0]) if row else None

    def release(self, left: Release) -> bool:
        """Release a lock; return False if that did not do it."""
        if left.limit > 1 and not self._database.tells_inserted:
            return False
        release = self._release if left.limit == 1 else self._release_place
        lost = False

        def released(connection: sa.Connection) -> bool:
            nonlocal lost
            try:
                done = release(connection, left)
            except DBAPIError as error:
                # The first try may have released the lock, and its answer was lost.
                # Not where the table was missing, or the file locked.
                lost |= error.connection_invalidated
                raise
            return done or lost

        return self._database.run(released)

    def _release(self, connection: sa.Connection, left: Release) -> bool:
        held = {"lock": row_name(left.key, LOCK), "holder": left.token.encode()}
        return self._statements.release.count(connection, held) == 1

    def _release_place(self, connection: sa.Connection, left: Release) -> bool:
        values = {**_names(left.key, left.token), "token": left.token.encode()}
        return self._places.leave.row(connection, values) is not None


def _names(key: str, token: str) -> dict[str, str]:
    """Return the names of the two rows that a holder in a place has to do with."""
    holder = row_name(key, holder_name(token))
    return {"lock": row_name(key, LOCK), "holder": holder}


def _values(wanted: Acquisition) -> dict[str, Any]:
    return {
        "token": wanted.record.token.encode(),
        "content": f"{VERSION} {wanted.record.tail}".encode(),
        "length": microseconds(wanted.expire),
    }
