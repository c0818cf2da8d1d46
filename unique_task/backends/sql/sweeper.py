"""Deletes old rows of the table of locks, in a thread beside the tasks."""

from __future__ import annotations

import logging
import random
import time
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from ...exceptions import LockStoreError
from ...threads import start_thread
from .counters import Counters
from .database import Database
from .errors import reason_of
from .statements import Statements, microseconds
from .table import clock

logger = logging.getLogger(__name__)

#: Seconds for which a row that is over stays.
RETENTION = 86400.0
#: Seconds between two sweeps, and after a sweep that got no thread.
EVERY = 3600.0
SOON = 60.0
#: Rows that one statement deletes at most.
SOME = 1000


class Sweeper:
    """Deletes rows that are long over, once an hour.

    Arguments:
        name: of the store, for the log.
        database: the one with the table.
        statements: for this table.
        counters: swept as well, if this process has counted.
    """

    def __init__(
        self,
        name: str,
        database: Database,
        statements: Statements,
        counters: Counters,
    ) -> None:
        self._name = name
        self._database = database
        self._statements = statements
        self._counters = counters
        # Random: where no process lives for an hour, some of them sweep all the same.
        self.due = time.monotonic() + random.uniform(0, EVERY)

    def sweep_now_and_then(self) -> None:
        """Start a sweep in a thread if one is due."""
        if time.monotonic() < self.due:
            return
        self.due = time.monotonic() + EVERY
        if start_thread(self.sweep, "unique_task sweep") is None:
            self.due = time.monotonic() + SOON

    def sweep(self, retention: float = RETENTION) -> int:
        """Delete rows that have been over for `retention` seconds; return how many."""
        deleted = 0
        try:
            for old in self._statements.swept:
                deleted += self._sweep_all(old, retention)
            deleted += self._counters.sweep() if self._counters.used else 0
        except (SQLAlchemyError, OSError, LockStoreError) as error:
            reason = reason_of(error)
            logger.warning("%s: old rows are left for later: %s", self._name, reason)
        return deleted

    def check(self) -> None:
        """Run the DELETE for no row, which needs the same rights."""
        nothing = {"past": 0, "names": ["check"]}
        self._database.run(lambda one: one.execute(self._statements.sweep, nothing))

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
        """Return how many rows were found, and how many of them were deleted."""
        now = connection.scalar(sa.select(clock())) or 0
        past = {"past": now - microseconds(retention)}
        names = list(connection.scalars(old, {**past, "some": SOME}))
        if not names:
            return 0, 0
        done = connection.execute(self._statements.sweep, {**past, "names": names})
        return len(names), done.rowcount
