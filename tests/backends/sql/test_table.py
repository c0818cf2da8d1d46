"""The table of locks: its creation, its sweep, and records of a newer version."""

import time
from typing import Any

import pytest
import sqlalchemy as sa

from tests.backends.stores import FIRST, SECOND, record_of, redelivered
from unique_task import LockRecordError, LockStoreError
from unique_task.backends.findings import Finding, Level
from unique_task.backends.sql import SQLBackend
from unique_task.backends.steps import Acquired, Renewal, Renewed
from unique_task.exceptions import LockStoreRefusedError

# A table that is missing, or full


def test_the_first_operation_creates_the_table(url, backend, engine):
    with engine.connect() as connection:
        connection.execute(sa.text("DROP TABLE unique_task_locks"))

    assert isinstance(SQLBackend(url).acquire("key", FIRST, expire=10), Acquired)


@pytest.mark.parametrize("kind", ["before_create", "after_create"])
def test_a_table_that_takes_too_long_to_make_is_no_refusal(url, engine, kind):
    """A refusal ends a worker; this may succeed the next time."""
    backend: Any = SQLBackend(url, table="slow_locks", timeout=1)
    sa.event.listen(backend._table, kind, lambda *_, **__: time.sleep(1.1), once=True)

    with pytest.raises(LockStoreError) as error:
        backend.acquire("key", FIRST, expire=10)
    assert not isinstance(error.value, LockStoreRefusedError)

    assert isinstance(backend.acquire("key", FIRST, expire=10), Acquired)
    [index] = sa.inspect(engine).get_indexes("slow_locks")
    assert index["column_names"] == ["ends", "fence"]
    with engine.connect() as connection:
        connection.execute(sa.text("DROP TABLE slow_locks"))


def test_the_table_may_have_another_name(url, engine):
    backend: Any = SQLBackend(url, table="shop_locks")
    backend.acquire("key", FIRST, expire=10)

    assert sa.inspect(engine).has_table("shop_locks")
    assert SQLBackend(url).get("key") is None
    assert backend.fingerprint != SQLBackend(url).fingerprint


def test_the_ddl_makes_the_table(url, engine):
    backend: Any = SQLBackend(url, table="by_hand")
    migrate(engine, "DROP TABLE IF EXISTS by_hand")
    migrate(engine, backend.ddl())

    assert isinstance(backend.acquire("key", FIRST, expire=10), Acquired)
    assert backend.release("key", FIRST.token, value=b"value", fresh_for=10)
    [index] = sa.inspect(engine).get_indexes("by_hand")
    assert index["column_names"] == ["ends", "fence"]


@pytest.mark.parametrize("name", ["postgresql", "mariadb", "sqlite"])
def test_the_ddl_does_no_harm_where_a_worker_has_made_the_table(
    name, request, tmp_path
):
    file = f"sqlite:///{tmp_path}/locks"
    url = file if name == "sqlite" else request.getfixturevalue(f"{name}_url")
    backend = SQLBackend(url)
    backend.acquire("key", FIRST, expire=10)

    migrate(sa.create_engine(url, poolclass=sa.NullPool), backend.ddl())

    assert backend.get("key") is not None


def migrate(engine: sa.Engine, statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements.split(";\n"):
            connection.execute(sa.text(statement.strip(";")))


def test_a_sweep_deletes_old_rows_and_nothing_else(backend, engine):
    backend.acquire("held", FIRST, expire=100)
    backend.acquire("over", SECOND, expire=0.001)
    third = record_of("third")
    backend.acquire("freed", third, expire=100, remember_for=100)
    backend.release("freed", third.token)
    time.sleep(0.01)

    # A freed row stays, too, although its end is 0.
    assert backend.sweep(retention=86400) == 0
    assert names_in(engine) >= {f"unique:{key}:lock" for key in ("over", "freed")}
    assert backend.sweep(retention=0.001) == 2

    assert "unique:held:lock" in names_in(engine)
    assert not names_in(engine) & {"unique:over:lock", "unique:freed:lock"}
    assert backend.get("held").record.token == FIRST.token
    # The mark of an attempt that got its lock.
    again = backend.acquire("freed", redelivered(third), expire=10, remember_for=100)
    assert again.admitted


def names_in(engine: sa.Engine) -> set[str]:
    with engine.connect() as connection:
        rows = connection.scalars(sa.text("SELECT name FROM unique_task_locks"))
        return set(rows)


def test_the_fences_of_a_freed_lock_go_on_to_grow(backend, engine):
    first = backend.acquire("key", FIRST, expire=10)
    backend.release("key", FIRST.token)
    with engine.connect() as connection:
        # As if the clock had been an hour ahead and was set back.
        later = "UPDATE unique_task_locks SET fence = fence + 3600000000"
        connection.execute(sa.text(later))

    second = backend.acquire("key", SECOND, expire=10)

    assert second.fence == first.fence + 3600000001


def test_a_lock_that_another_had_meanwhile_is_not_taken_again(backend):
    """A resource may have seen a greater fence than its old one."""
    taken = backend.acquire("key", FIRST, expire=0.001)
    time.sleep(0.01)
    backend.acquire("key", SECOND, expire=10)
    backend.release("key", SECOND.token)

    assert backend.renew([Renewal("key", FIRST, taken.fence, 10)]) == [Renewed.TAKEN]
    assert backend.get("key") is None


def test_an_option_that_the_driver_does_not_know_is_a_store_error():
    backend = SQLBackend("mysql+mysqldb://localhost/shop?ssl_mode=REQUIRED")

    with pytest.raises(LockStoreError, match="an option of the URL.*ssl_mode"):
        backend.acquire("key", FIRST, expire=10)


def test_a_database_without_an_encoding_holds_locks(postgresql):
    with postgresql.connect() as connection:
        connection.execute("DROP DATABASE IF EXISTS plain")
        connection.execute(
            "CREATE DATABASE plain ENCODING 'SQL_ASCII' TEMPLATE template0"
        )
    url = sa.make_url(postgresql.url).set(database="plain")
    backend: Any = SQLBackend(url.render_as_string(hide_password=False))

    assert isinstance(backend.acquire("key", FIRST, expire=10), Acquired)
    assert backend.get("key").record.token == FIRST.token


# A lock of a newer version


@pytest.fixture
def newer(backend: SQLBackend, engine: sa.Engine) -> str:
    """A row of a newer version under the name of the lock "key"."""
    backend.acquire("key", FIRST, expire=10)
    change = sa.text(
        "UPDATE unique_task_locks SET content = :content, token = :token"
    ).bindparams(content=b"2 new/0/0//ab running w t p", token=b"new/0/0//ab")
    with engine.connect() as connection:
        connection.execute(change)
    return "new/0/0//ab"


def test_a_lock_of_a_newer_version_is_left_alone(backend, newer):
    with pytest.raises(LockRecordError):
        backend.acquire("key", FIRST, expire=100)
    with pytest.raises(LockRecordError):
        backend.acquire("key", FIRST, expire=100, remember_for=10)
    with pytest.raises(LockRecordError):
        backend.acquire("key", FIRST, expire=100, take_over_from=[newer])
    with pytest.raises(LockRecordError):
        backend.reserve("key", FIRST, expire=100, replaceable=False)
    with pytest.raises(LockRecordError):
        backend.get("key")
    assert not backend.release("key", FIRST.token, value=b"value", fresh_for=100)
    assert backend.renew([Renewal("key", FIRST, 1, 100)]) == [Renewed.TAKEN]


# A table with many rows


def rows_read(backend: SQLBackend, connection: sa.Connection) -> int:
    """How many rows the database has read since the connection was opened."""
    found = connection.exec_driver_sql("SHOW SESSION STATUS LIKE 'Handler_read%%'")
    return sum(int(count) for _, count in found)


@pytest.mark.parametrize("url", ["mariadb"], indirect=True)
@pytest.mark.parametrize("count", [1, 2])
def test_renewing_and_releasing_a_lock_reads_no_other_rows(backend, engine, count):
    # Like the marks of past runs, which stay for long.
    row = f"INSERT INTO unique_task_locks VALUES (:name, NULL, 'b', 0, {10**16})"
    with engine.connect() as connection:
        connection.execute(sa.text(row), [{"name": f"{n}"} for n in range(3000)])
    keys = [f"key {number}" for number in range(count)]
    for key in keys:
        backend.acquire(key, FIRST, expire=10)

    with backend._database._engine.connect() as connection:
        before = rows_read(backend, connection)
    backend.renew([Renewal(key, FIRST, None, 10) for key in keys])
    backend.release(keys[0], FIRST.token)
    with backend._database._engine.connect() as connection:
        assert rows_read(backend, connection) - before < 50


def test_a_table_without_the_index_of_the_sweep_is_warned_of(tmp_path):
    url = f"sqlite:///{tmp_path}/bare.sqlite"
    backend = SQLBackend(url)
    backend.check()
    assert index_of(backend).level is Level.OK

    bare = SQLBackend(url, table="bare")
    statement = bare.ddl().partition(";")[0]
    bare._database.run(lambda one: one.exec_driver_sql(statement).close())

    assert index_of(bare).level is Level.WARN
    assert "CREATE INDEX" in index_of(bare).advice


def index_of(backend: SQLBackend) -> Finding:
    [finding] = [one for one in backend.findings() if one.name == "index"]
    return finding
