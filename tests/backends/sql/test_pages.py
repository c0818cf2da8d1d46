"""How locks in a database are listed."""

import tracemalloc
from typing import Any

import pytest
import sqlalchemy as sa

from tests.backends.stores import FIRST, LEASE, SECOND
from unique_task.backends.listing import Lists
from unique_task.backends.sql import SQLBackend
from unique_task.keys.digest import digest_of

#: A key as the library makes them.
DIGEST = digest_of("shop.charge", 17)

#: Bytes of a large value.
LARGE = 2_000_000


@pytest.fixture
def statements(backend: SQLBackend) -> list[Any]:
    """What the database is asked from now on, and how many rows it answers with."""
    asked: list[Any] = []
    engine: Any = getattr(getattr(backend, "_database"), "_engine")

    @sa.event.listens_for(engine, "after_cursor_execute")
    def note(connection, cursor, statement, *_):
        asked.append((statement, cursor.rowcount))

    return asked


def test_a_page_reads_so_many_rows_also_where_most_are_over(
    backend, engine, statements
):
    for number in range(40):
        backend.acquire(f"key {number}", FIRST, LEASE)
        backend.acquire(f"over-{number}", FIRST, LEASE)
        backend.release(f"over-{number}", FIRST.token, value=b"x" * 1000, fresh_for=9)
    statements.clear()

    assert len(list(backend.locks(page=10))) == 40

    pages = [rows for statement, rows in statements if "ORDER BY" in statement]
    assert len(pages) == len(statements)
    assert pages == [10] * 12 + [0]


def test_no_transaction_is_open_between_two_pages(backend, engine):
    for number in range(30):
        backend.acquire(f"key-{number}", FIRST, LEASE)
    stream = backend.locks(page=10)
    next(stream)

    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            query = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%'"
        else:
            query = "SELECT count(*) FROM information_schema.innodb_trx"
        assert connection.scalar(sa.text(query)) == 0
    assert len(list(stream)) == 29


def test_the_contents_of_values_stay_in_the_database(backend):
    backend.acquire("key", FIRST, LEASE)
    list(backend.locks())  # what is made once
    backend.release("key", FIRST.token, value=b"x" * LARGE, fresh_for=LEASE)
    backend.acquire("key", FIRST, LEASE)

    tracemalloc.start()
    found = list(backend.locks())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert [lock.name for lock in found] == ["key"]
    assert peak < LARGE / 2


def test_a_lock_of_which_the_table_has_a_digest_is_listed_without_a_name(sqlite_url):
    whole = SQLBackend(sqlite_url)

    def names(store: Any) -> list[str | None]:
        return [lock.name for lock in store.locks()]

    odd = [whole.with_prefix("Läden ☃"), whole.with_prefix("my shop:")]
    odd[0].acquire(DIGEST, FIRST, LEASE)

    assert [names(store) for store in (*odd, whole)] == [[None]] * 3
    assert names(whole.with_prefix("shop:")) == []


def test_of_several_holders_of_a_lock_without_a_name_none_is_known(sqlite_url):
    odd = SQLBackend(sqlite_url).with_prefix("my shop:")
    odd.acquire(DIGEST, FIRST, LEASE, limit=2)
    odd.acquire(DIGEST, SECOND, LEASE, limit=2)

    assert isinstance(odd, Lists)
    [lock] = odd.locks()

    assert (lock.name, lock.holders, lock.unreadable) == (None, (), False)
    assert 0 < lock.remaining <= LEASE
