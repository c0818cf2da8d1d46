"""Locks in a database: PostgreSQL, MariaDB, MySQL or SQLite."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from ..cells import Cells
from ..counting import CountedMinute, Counter, Counts
from ..exercise import exercise
from ..findings import Finding
from ..listing import ListedLock, Lists
from ..operation import in_turn
from ..steps import (
    Acquired,
    Acquisition,
    Held,
    Release,
    Renewal,
    RenewAnswer,
    Renewed,
    Reservation,
    Reserved,
    StoreAnswer,
    Stored,
)
from ..stepwise import Answer, StepwiseBackend
from ..turns import Turns
from .at_once import AtOnce
from .changes import Changes
from .counter_table import counter_table
from .counters import Counters
from .database import Database
from .engine import CONNECTIONS, Login, engine_url, identity
from .errors import is_refusal, reason_of
from .holders import HolderStatements
from .pages import Pages
from .place_statements import PlaceStatements
from .promises import PROMISES
from .renewals import Renewals, alike
from .statements import Statements
from .sweeper import RETENTION, Sweeper
from .table import lock_table


class SQLBackend(StepwiseBackend, Lists, Counts):
    """Locks in a database, timed by its clock; they survive its restart.

    It has connections of its own and never takes part in a task's transaction.

    Arguments:
        url: as for SQLAlchemy, or as for Celery's result backend (``db+...``).
        login: returns options for the driver, such as a password that changes; they win
            over those of the URL. It is asked for each new connection.
        table: name of the table of locks; it is created if it is missing.
        schema: the schema of the table; None for the connection's own.
        timeout: seconds that one operation may take at most, reconnecting included.

    Raises:
        ConfigurationError: if the URL is not one of a database, or its driver is
            missing.
    """

    driver_errors = (SQLAlchemyError, OSError)

    def __init__(
        self,
        url: str | URL,
        *,
        login: Login | None = None,
        table: str = "unique_task_locks",
        schema: str | None = None,
        timeout: float = 2.0,
    ) -> None:
        self._url = engine_url(url)
        self.timeout = timeout
        self.name = self._url.set(query={}).render_as_string(hide_password=True)
        self._table = lock_table(table, schema)
        self._turns = Turns(self.name, CONNECTIONS, timeout)
        self._database = Database(self.name, self._url, self._table, timeout, login)
        kind = self._database.kind
        self.promises = PROMISES["mysql" if kind == "mariadb" else kind]
        dialect = self._database.dialect
        self._statements = Statements(self._table, dialect)
        holders = HolderStatements(self._table, self._statements)
        places = PlaceStatements(self._table, self._statements, dialect)
        self._at_once = AtOnce(self._database, self._statements, places)
        self._changes = Changes(self._database, self._statements, holders)
        self._renewals = Renewals(self._database, self._statements, holders)
        counted = counter_table(self._table)
        self._counters = Counters(self._database.beside(counted), counted)
        self._sweeper = Sweeper(
            self.name, self._database, self._statements, self._counters
        )

    @classmethod
    def from_url(cls, url: str, timeout: float) -> SQLBackend:
        return cls(url, timeout=timeout)

    def ddl(self) -> str:
        """Return the SQL that creates the tables that are missing."""
        return f"{self._database.ddl()}\n{self._counters.ddl()}"

    def close_idle(self) -> None:
        """Close the connections that no operation uses; the next one opens its own."""
        self._database.close_idle()

    def keep_none(self) -> None:
        """Close each connection after its use, as of a file that will be deleted."""
        self._database.keep_none()

    def findings(self) -> list[Finding]:
        return [*super().findings(), in_turn(self, self._database.index)]

    def check(self) -> None:
        exercise(self, "check")
        in_turn(self, self._sweeper.check)

    def _identity(self) -> str:
        return f"{identity(self._url)}/{self._table.fullname}"

    def _acquire(self, wanted: Acquisition) -> StoreAnswer:
        self._sweeper.sweep_now_and_then()
        return self._database.one_operation(lambda: self._acquire_in_time(wanted))

    def _acquire_in_time(self, wanted: Acquisition) -> StoreAnswer:
        return self._take_at_once(wanted) or super()._acquire(wanted)

    def _reserve(self, wanted: Reservation) -> Reserved | Held | Stored:
        if not wanted.bare:
            return super()._reserve(wanted)
        return self._database.one_operation(lambda: self._reserve_in_time(wanted))

    def _reserve_in_time(self, wanted: Reservation) -> Reserved | Held | Stored:
        bare = Acquisition(wanted.key, wanted.record, wanted.expire, limit=wanted.limit)
        answer = self._take_at_once(bare)
        if isinstance(answer, Acquired):
            return Reserved(answer.fence)
        return answer or super()._reserve(wanted)

    def _take_at_once(self, wanted: Acquisition) -> Acquired | Held | None:
        """Answer by one statement, or two if the lock is held; None if that fails."""
        if not self._at_once.can_take(wanted):
            return None
        taken = self._at_once.take(wanted)
        if taken or wanted.limit > 1:
            return taken
        found = self._changes.lock(wanted.key)
        held = None if found is None or found.is_shared() else found.held()
        if held is not None and held.record.token == wanted.record.token:
            return None
        return held

    def _release(self, release: Release) -> bool:
        released = release.bare and self._at_once.release(release)
        return released or self._release_otherwise(release)

    def _release_otherwise(self, release: Release) -> bool:
        if not release.plain:
            return super()._release(release)
        # It was taken alone, and may have become one of several.
        found = self._changes.lock(release.key)
        is_shared = found is not None and found.is_shared()
        return is_shared and super()._release(release)

    def _renew(self, renewals: Sequence[Renewal]) -> Sequence[RenewAnswer]:
        return self._database.one_operation(lambda: self._renew_in_time(renewals))

    def _renew_in_time(self, renewals: Sequence[Renewal]) -> list[RenewAnswer]:
        outcomes: dict[int, RenewAnswer] = {}
        for numbers in alike(renewals):
            found = self._renew_alike([renewals[n] for n in numbers])
            outcomes.update(zip(numbers, found))
        return [outcomes[number] for number in range(len(renewals))]

    def _renew_alike(self, renewals: list[Renewal]) -> list[RenewAnswer]:
        if renewals[0].leaving:  # they are few, and their locks are free
            return [self._renew_lost(one) for one in renewals]
        held = self._renewals.renew_all(renewals)
        return [
            Renewed.HELD if is_held else self._renew_lost(one)
            for one, is_held in zip(renewals, held)
        ]

    def _renew_lost(self, renewal: Renewal) -> RenewAnswer:
        """Renew a lock that was not held; the others are renewed already."""
        try:
            return self._retake(renewal)
        except self.driver_errors:
            return Renewed.UNKNOWN

    def _first_holders(self, key: str, most: int | None) -> list[Held]:
        return self._changes.holders(key, most)

    def _change(
        self, key: str, names: Sequence[str], step: Callable[[Cells], Answer]
    ) -> Answer:
        return self._changes.change(key, names, step)

    def _change_places(
        self, key: str, names: Sequence[str], step: Callable[[Cells], Answer]
    ) -> Answer:
        return self._changes.change_places(key, names, step)

    def _by_form(
        self,
        key: str,
        names: Sequence[str],
        tokens: Sequence[str],
        step: Callable[[Cells], Answer],
    ) -> Answer:
        # In one transaction, where the parent has two.
        return self._changes.change_by_form(key, names, tokens, step)

    def _pages(self, size: int, prefix: str) -> Iterator[Sequence[ListedLock]]:
        where = self._database, self._table, prefix
        return iter(Pages(*where, size, self._first_holders))

    def _count(self, flush: str, amounts: Mapping[Counter, float], prefix: str) -> None:
        self._counters.add(flush, amounts, prefix)

    def _try_to_count(self) -> None:
        self._counters.check()

    def _now(self) -> float:
        return self._counters.now()

    def _counted_pages(
        self, minutes: range, prefix: str
    ) -> Iterator[Sequence[CountedMinute]]:
        return self._counters.pages(minutes, prefix)

    def sweep(self, retention: float = RETENTION) -> int:
        """Delete rows that have been over for `retention` seconds; return how many.

        Each process does so once an hour, beside its tasks.
        """
        return self._sweeper.sweep(retention)

    def _refuses(self, error: Exception) -> bool:
        return is_refusal(error)

    def _reason(self, error: Exception) -> str:
        return reason_of(error)
