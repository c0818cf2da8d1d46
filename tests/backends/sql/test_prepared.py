"""Statements that PostgreSQL prepares, where a pooler may change the session."""

from typing import Any

import psycopg
import pytest

from tests.backends.stores import FIRST, SECOND
from unique_task.backends.sql import SQLBackend
from unique_task.backends.steps import Acquired, Held

NAMES = "SELECT name, statement FROM pg_prepared_statements"


@pytest.fixture
def url(postgresql_url: str) -> str:
    return postgresql_url


@pytest.fixture
def backend(url: str) -> SQLBackend:
    backend = SQLBackend(url)
    backend.acquire("another", FIRST, expire=10)
    backend.release("another", FIRST.token)
    return backend


def ask(backend: Any, statement: str) -> Any:
    """Return the answer to a statement in the session of the backend."""
    rows = []

    def work(connection: Any) -> None:
        result = connection.exec_driver_sql(statement)
        if result.returns_rows:
            rows.extend(result.all())

    backend._database.run(work)
    return rows


def test_a_session_in_which_nothing_is_prepared_takes_and_releases_locks(backend):
    """A pooler may run each statement in another session."""
    for _ in range(2):
        ask(backend, "DEALLOCATE ALL")
        assert isinstance(backend.acquire("key", FIRST, expire=10), Acquired)
        ask(backend, "DEALLOCATE ALL")
        assert isinstance(backend.acquire("key", SECOND, expire=10), Held)
        ask(backend, "DEALLOCATE ALL")
        assert backend.release("key", FIRST.token)


def test_a_session_is_prepared_once(backend):
    ask(backend, "DEALLOCATE ALL")
    for _ in range(3):
        backend.acquire("key", FIRST, expire=10)
        backend.release("key", FIRST.token)

    assert len(ask(backend, NAMES)) == 2


def test_a_session_that_another_client_has_prepared_is_used_as_it_is(backend):
    """Equal names are equal statements, whoever has prepared them."""
    known = ask(backend, NAMES)
    assert known
    other: Any = SQLBackend(backend._url.render_as_string(hide_password=False))
    other.get("key")
    for _, statement in known:
        ask(other, statement.replace("%", "%%"))

    assert isinstance(other.acquire("key", FIRST, expire=10), Acquired)
    assert other.release("key", FIRST.token)
    assert sorted(ask(other, NAMES)) == sorted(known)


def test_a_table_that_was_made_anew_holds_locks(backend, postgresql):
    with postgresql.connect() as connection:
        connection.execute("DROP TABLE unique_task_locks")

    assert isinstance(backend.acquire("key", FIRST, expire=10), Acquired)
    assert backend.release("key", FIRST.token)


def test_a_column_that_has_another_type_since_holds_locks(backend, postgresql):
    change = "ALTER TABLE unique_task_locks ALTER fence TYPE {}"
    with postgresql.connect() as connection:
        connection.execute(change.format("NUMERIC"))
        try:
            taken = backend.acquire("key", FIRST, expire=10)
        finally:
            connection.execute("DROP TABLE unique_task_locks")

    assert isinstance(taken, Acquired)


def test_a_name_tells_the_statement(backend, url):
    """A session that clients of another table use too has both of their statements."""
    other = SQLBackend(url, table="other_locks")
    other.check()
    names = {name for name, _ in ask(backend, NAMES)}

    assert names.isdisjoint(name for name, _ in ask(other, NAMES))
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.execute("DROP TABLE other_locks")
