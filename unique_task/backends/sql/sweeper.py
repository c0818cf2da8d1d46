"""Rows of a database that count no more, and how they are deleted beside the tasks."""

from __future__ import annotations

import logging
import random
import time
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from ...exceptions import LockStoreError
from ...threads import start_thread
from .database import Database
from .errors import reason_of
from .statements import Statements, microseconds
from .table import clock

logger = logging.getLogger(__name__)

#: Seconds after which a row that counts no more is deleted, between two sweeps, after
#: one that had no thread, and rows that one statement of them deletes.
RETENTION = 86400.0
EVERY = 3600.0
SOON = 60.0
SOME = 1000


class Sweeper:
    """Deletes what is long over, once an hour.

    Arguments:
        name: of the store, for people.
        database: that has the table.
        say: the statements for it.
    """

    def __init__(self, name: str, database: Database, say: Statements) -> None:
        self._name = name
        self._database = database
        self._say = say
        # Where no process lives for an hour, some of them sweep all the same.
        self.due = time.monotonic() + random.uniform(0, EVERY)

    def sweep_now_and_then(self) -> None:
        """Sweep if it is time to, in a thread that nobody waits for."""
        if time.monotonic() < self.due:
            return
        self.due = time.monotonic() + EVERY
        if start_thread(self.sweep, "unique_task sweep") is None:
            self.due = time.monotonic() + SOON

    def sweep(self, retention: float = RETENTION) -> int:
        """Delete rows that have not counted for so many seconds; tell how many."""
        deleted = 0
        try:
            for old in self._say.swept:
                deleted += self._sweep_all(old, retention)
        except (SQLAlchemyError, OSError, LockStoreError) as error:
            told = reason_of(error)
            logger.warning("%s: old rows are left for later: %s", self._name, told)
        return deleted

    def check(self) -> None:
        """Delete nothing, which takes the same rights."""
        nothing = {"past": 0, "names": ["check"]}
        self._database.run(lambda one: one.execute(self._say.sweep, nothing))

    def _sweep_all(self, old: sa.Select[Any], retention: float) -> int:
        found, deleted = SOME, 0
        while found == SOME:
            found, gone = self._database.run(
                lambda one: self._some(one, old, retention)
            )
            deleted += gone
        return deleted

    def _some(
        self, connection: sa.Connection, old: sa.Select[Any], retention: float
    ) -> tuple[int, int]:
        """Tell how many rows were found, and how many of them are deleted."""
        now = connection.scalar(sa.select(clock())) or 0
        past = {"past": now - microseconds(retention)}
        names = list(connection.scalars(old, {**past, "some": SOME}))
        if not names:
            return 0, 0
        done = connection.execute(self._say.sweep, {**past, "names": names})
        return len(names), done.rowcount
