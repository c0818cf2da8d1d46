"""Transactions that a database aborts because of another one are repeated."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from tests.backends.stores import FIRST
from tests.servers import PostgreSQLServer
from tests.waiting import wait_until
from unique_task.backends.cells import LOCK, mark_name, short_name
from unique_task.backends.sql import SQLBackend
from unique_task.backends.steps import Acquired, Finished

NAME = short_name("key", LOCK, 200)
MARK = short_name("key", mark_name(FIRST.token), 200)

#: Transactions that wait for a row of another one.
WAITING = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = "
    "'Lock'",
    "mysql": "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = "
    "'LOCK WAIT'",
}
#: Codes of a transaction that was aborted.
DEADLOCK = {"postgresql": "40P01", "mysql": 1213}

#: PostgreSQL looks for a deadlock once, so many seconds after a wait began: ours must
#: wait by then, and the other transaction must not find the deadlock first.
LOOK = {"postgresql": "?options=-c%20deadlock_timeout%3D{}s"}
OURS, OTHERS = 3, 60

TOUCH = "UPDATE unique_task_locks SET ends = ends WHERE name = :name"
WEIGHT = "INSERT INTO unique_task_locks VALUES (:name, NULL, '', 0, 0)"


def look_after(url: str, seconds: int) -> str:
    return LOOK.get(url.partition("+")[0], "").format(seconds)


@pytest.fixture
def backend(url: str) -> SQLBackend:
    backend = SQLBackend(url + look_after(url, OURS))
    assert isinstance(backend.acquire("key", FIRST, 100, remember_for=100), Acquired)
    return backend


@pytest.fixture
def broken_off(backend: SQLBackend, monkeypatch: pytest.MonkeyPatch) -> list[set[Any]]:
    """The errors after which the backend repeats what it did."""
    codes: list[set[Any]] = []
    prepare_retry = backend._database._prepare_retry

    def note(error: Any) -> None:
        state = getattr(error.orig, "sqlstate", None)
        codes.append({state, *error.orig.args[:1]})
        prepare_retry(error)

    monkeypatch.setattr(backend._database, "_prepare_retry", note)
    return codes


@pytest.fixture
def another(url: str) -> Iterator[sa.Connection]:
    """A transaction that is not ours."""
    engine = sa.create_engine(
        url + look_after(url, OTHERS), isolation_level="READ COMMITTED"
    )
    with engine.connect() as connection:
        yield connection
        connection.rollback()
    engine.dispose()


@pytest.fixture
def beside() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as threads:
        yield threads


def wait_for(engine: sa.Engine, asked: Future[Any]) -> None:
    """Wait until our transaction waits for another one."""
    query = sa.text(WAITING[engine.dialect.name])

    def waits() -> bool:
        # InnoDB gives its last answer again to who asks sooner.
        time.sleep(0.11)
        return connection.scalar(query) == 1 or asked.done()

    with engine.connect() as connection:
        wait_until(waits)
    assert not asked.done()


def test_a_deadlock_is_no_error(backend, broken_off, another, engine, beside):
    """Ours holds the row of the lock, the other that of the mark; each wants both."""
    # The database aborts the one that did less, or waits for longer.
    another.execute(sa.text(WEIGHT), [{"name": f"{n}"} for n in range(100)])
    another.execute(sa.text(TOUCH), {"name": MARK})
    freed = beside.submit(backend.release, "key", FIRST.token, finished_for=100)
    wait_for(engine, freed)

    another.execute(sa.text(TOUCH), {"name": NAME})
    another.commit()

    assert freed.result() is True
    [codes] = broken_off
    assert DEADLOCK[engine.dialect.name] in codes
    assert backend.acquire("key", FIRST, 100, remember_for=100) == Finished()


@pytest.fixture
def serializable(postgresql: PostgreSQLServer) -> Iterator[None]:
    """At some isolation levels a statement fails if another one was faster."""
    level = "ALTER DATABASE shop {} default_transaction_isolation"
    with postgresql.connect() as connection:
        connection.execute(level.format("SET") + " = 'serializable'")
        yield
        connection.execute(level.format("RESET"))


@pytest.mark.usefixtures("serializable")
@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_serialization_failure_is_no_error(
    backend, broken_off, another, engine, beside
):
    another.execute(sa.text(TOUCH), {"name": NAME})
    freed = beside.submit(backend.release, "key", FIRST.token)
    wait_for(engine, freed)

    another.commit()

    assert freed.result() is True
    [codes] = broken_off
    assert "40001" in codes
