"""When the sweeper deletes old rows of a database."""

from typing import Any

import pytest

from tests.backends.stores import FIRST, SECOND
from tests.waiting import wait_until
from unique_task.backends.sql import SQLBackend
from unique_task.backends.sql.sweeper import EVERY, SOME


@pytest.fixture
def backend(postgresql_url: str) -> Any:
    backend = SQLBackend(postgresql_url)
    backend.get("key")
    return backend


@pytest.fixture
def old(backend: SQLBackend, postgresql: Any) -> Any:
    """Counts the rows that have been over for two days."""
    with postgresql.connect() as connection:
        connection.execute(
            "INSERT INTO unique_task_locks SELECT 'old ' || number, NULL, 'b', 0, 0 "
            f"FROM generate_series(1, {SOME + 1}) AS number"
        )

    def count() -> int:
        with postgresql.connect() as connection:
            found = connection.execute(
                "SELECT count(*) FROM unique_task_locks WHERE name LIKE 'old %'"
            )
            return int(found.fetchone()[0])

    return count


def test_an_acquisition_starts_a_sweep_when_one_is_due(backend, old):
    backend._sweeper.due = 0

    backend.acquire("key", FIRST, expire=10)

    wait_until(lambda: not old())
    assert backend.get("key").record.token == FIRST.token


def test_no_process_sweeps_before_it_is_time(backend, old):
    backend._sweeper.due = 0
    backend.acquire("key", FIRST, expire=10)
    wait_until(lambda: not old())
    due = backend._sweeper.due

    backend.acquire("another", SECOND, expire=10)

    assert backend._sweeper.due == due


def test_processes_that_live_for_minutes_only_sweep_in_their_turn(postgresql_url):
    dues = [SQLBackend(postgresql_url)._sweeper.due for _ in range(60)]

    assert max(dues) - min(dues) > EVERY / 2
