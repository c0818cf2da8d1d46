"""Locks in a database: PostgreSQL, MariaDB, MySQL or SQLite."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from threading import Thread
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from ..exceptions import LockStoreError
from .cells import ADMITTED, LOCK, Cell, Cells, mark_name, short_name
from .promises import Promises
from .record import VERSION
from .sql_database import Database
from .sql_engine import engine_url, identity
from .sql_errors import is_refusal, reason_of
from .sql_rows import cells_of, row_of
from .sql_statements import Statements, microseconds
from .sql_table import NAME_LENGTH, clock, lock_table
from .steps import Acquired, Claim, Held, Release, Renewal, Renewed, StoreAnswer
from .stepwise import Answer, StepwiseBackend

logger = logging.getLogger(__name__)

#: Seconds after which a row that counts no more is deleted, between two sweeps, and
#: rows that one statement of them deletes.
RETENTION = 86400.0
_SWEEP_EVERY = 3600.0
_SWEEP = 1000

#: What each kind of database promises.
PROMISES = {
    "postgresql": Promises(granularity=1e-6, needs="unique_task[postgresql]"),
    "mysql": Promises(granularity=1e-6, needs="unique_task[mysql]"),
    "sqlite": Promises(
        clock="the host's", granularity=1e-6, needs="unique_task[sqlalchemy]"
    ),
}


class SQLBackend(StepwiseBackend):
    """Locks in a database, timed by its clock; they survive its restart.

    It has connections of its own and never takes part in a task's transaction.

    Arguments:
        url: as for SQLAlchemy, or as Celery's result backend has it (``db+...``).
        table: that holds the locks; it is created if it is missing.
        schema: in which that is; None for the connection's own.
        timeout: seconds that one operation may take at most, reconnecting included.

    Raises:
        ConfigurationError: if the URL makes no sense, or its driver is missing.
    """

    driver_errors = (SQLAlchemyError, OSError)

    def __init__(
        self,
        url: str,
        *,
        table: str = "unique_task_locks",
        schema: str | None = None,
        timeout: float = 2.0,
    ) -> None:
        self._url = engine_url(url)
        self.name = self._url.set(query={}).render_as_string(hide_password=True)
        self._table = lock_table(table, schema)
        self._database = Database(self.name, self._url, self._table, timeout)
        kind = self._database.kind
        self.promises = PROMISES["mysql" if kind == "mariadb" else kind]
        self._say = Statements(self._table, kind)
        self._swept = time.monotonic()

    @classmethod
    def from_url(cls, url: str, timeout: float) -> SQLBackend:
        return cls(url, timeout=timeout)

    def ddl(self) -> str:
        """Return the statements that create the table, for those who run migrations."""
        return self._database.ddl()

    def _identity(self) -> str:
        return f"{identity(self._url)}/{self._table.fullname}"

    def _acquire(self, claim: Claim) -> StoreAnswer:
        self._sweep_now_and_then()
        with self._database.one_operation():
            return self._take_at_once(claim) or super()._acquire(claim)

    def _take_at_once(self, claim: Claim) -> Acquired | Held | None:
        """Answer by one statement, or two if the lock is held; None if they cannot."""
        if not self._is_plain(claim):
            return None
        taken = self._database.run(lambda connection: self._take(connection, claim))
        held = None if taken else self._get(claim.key)
        if held is not None and held.record.token == claim.record.token:
            return None
        return taken or held

    def _is_plain(self, claim: Claim) -> bool:
        """Tell whether one statement can take the lock."""
        more = claim.stored or claim.once or claim.generation or claim.keep
        over = self._say.on_conflict and claim.record.token not in claim.over
        plain = claim.expire and not more and (over or not claim.over)
        return bool(plain and self._database.tells_inserted)

    def _take(self, connection: sa.Connection, claim: Claim) -> Acquired | None:
        token = claim.record.token.encode()
        parameters = {
            "name": short_name(claim.key, LOCK, NAME_LENGTH),
            "token": token,
            "content": f"{VERSION} {claim.record.tail}".encode(),
            "length": microseconds(claim.expire),
        }
        take = self._say.take
        if claim.over:
            take = self._say.take_over
            parameters["over"] = [one.encode() for one in claim.over]
        row = connection.execute(take, parameters).first()
        return Acquired(row.fence) if row and bytes(row.token) == token else None

    def _release(self, release: Release) -> bool:
        if release.value is not None or release.finished or release.heir:
            return super()._release(release)
        held = _held([(release.key, release.token)])
        return self._database.run(
            lambda connection: connection.execute(self._say.free, held).rowcount == 1
        )

    def _renew(self, renewals: Sequence[Renewal]) -> list[Renewed]:
        outcomes: dict[int, Renewed] = {}
        with self._database.one_operation():
            for expire in {renewal.expire for renewal in renewals}:
                alike = [n for n, one in enumerate(renewals) if one.expire == expire]
                found = self._renew_alike([renewals[n] for n in alike], expire)
                outcomes.update(zip(alike, found))
        return [outcomes[number] for number in range(len(renewals))]

    def _renew_alike(self, renewals: list[Renewal], expire: float) -> list[Renewed]:
        held = _held([(one.key, one.record.token) for one in renewals])
        parameters = {**held, "length": microseconds(expire)}
        marks = [renewal for renewal in renewals if renewal.once]

        def renew_all(connection: sa.Connection) -> bool:
            renewed = connection.execute(self._say.renew, parameters)
            if renewed.rowcount < len(renewals):
                return False
            if marks:
                self._keep_marks(connection, marks)
            return True

        if self._database.run(renew_all):
            return [Renewed.HELD] * len(renewals)
        return [self._renew_one(renewal) for renewal in renewals]

    def _keep_marks(self, connection: sa.Connection, marks: list[Renewal]) -> None:
        now = connection.scalar(sa.select(clock())) or 0
        rows = []
        for renewal in marks:
            name = mark_name(renewal.record.token)
            cell = Cell(ADMITTED, now / 1e6 + renewal.once)
            rows.append(row_of(short_name(renewal.key, name, NAME_LENGTH), name, cell))
        connection.execute(self._say.keep, rows)

    def _get(self, key: str) -> Held | None:
        names = {LOCK: short_name(key, LOCK, NAME_LENGTH)}
        rows = self._database.run(lambda connection: self._find(connection, names))
        return cells_of(names, rows).held() if rows else None

    def _change(
        self, key: str, names: Sequence[str], step: Callable[[Cells], Answer]
    ) -> Answer:
        short = {name: short_name(key, name, NAME_LENGTH) for name in names}

        def change(connection: sa.Connection) -> Answer:
            with self._database.transaction(connection):
                connection.execute(self._say.claim, {"name": short[LOCK]})
                # Only now is it sure that nobody changes them.
                cells = cells_of(short, self._find(connection, short))
                answer = step(cells)
                self._write(connection, key, cells)
            return answer

        return self._database.run(change)

    def _find(
        self, connection: sa.Connection, names: Mapping[str, str]
    ) -> Sequence[Any]:
        parameters = {"names": list(names.values())}
        return connection.execute(self._say.find, parameters).all()

    def _write(self, connection: sa.Connection, key: str, cells: Cells) -> None:
        rows = []
        for name, cell in cells.changed.items():
            short = short_name(key, name, NAME_LENGTH)
            if cell is None:
                connection.execute(self._say.forget, {"cell": short})
            else:
                rows.append(row_of(short, name, cell))
        if rows:
            connection.execute(self._say.keep, rows)

    def _sweep_now_and_then(self) -> None:
        if time.monotonic() - self._swept < _SWEEP_EVERY:
            return
        self._swept = time.monotonic()
        # Nobody waits for it.
        Thread(target=self.sweep, name="unique_task sweep", daemon=True).start()

    def sweep(self, retention: float = RETENTION) -> int:
        """Delete rows that have not counted for so many seconds; tell how many.

        Each process does it once an hour, beside its tasks.
        """
        deleted, age = 0, {"age": microseconds(retention)}
        try:
            while names := self._database.run(
                lambda one: list(one.scalars(self._say.swept, {**age, "some": _SWEEP}))
            ):
                old = {**age, "names": names}
                deleted += self._database.run(
                    lambda one: int(one.execute(self._say.sweep, old).rowcount)
                )
        except (*self.driver_errors, LockStoreError) as error:
            told = reason_of(error)
            logger.warning("%s: old rows are left for later: %s", self.name, told)
        return deleted

    def _refuses(self, error: Exception) -> bool:
        return is_refusal(error)

    def _reason(self, error: Exception) -> str:
        return reason_of(error)


def _held(locks: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return the parameters that name locks, by key and token."""
    names = [short_name(key, LOCK, NAME_LENGTH) for key, _ in locks]
    tokens = [token.encode() for _, token in locks]
    return {"names": names, "held": list(zip(names, tokens))}
