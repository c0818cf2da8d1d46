"""Locks in a database: URLs, names, statements, transactions."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from tests.backends.stores import FIRST, SECOND, record_of
from tests.docs.test_readme import ROOT, literal_blocks
from tests.programs import run_python
from unique_task import ConfigurationError
from unique_task.backends.registry import backend_class, can_hold_locks
from unique_task.backends.sql import SQLBackend
from unique_task.backends.steps import Acquired, Held, Renewal

PAGE = ROOT / "docs" / "stores.rst"

#: URLs as SQLAlchemy and as Celery spell them.
URLS = [
    "postgresql://shop@localhost/shop",
    "postgresql+psycopg://shop@localhost/shop",
    "postgresql+psycopg2://shop@localhost/shop",
    "db+postgresql://shop@localhost/shop",
    "db+postgresql+psycopg2://shop@localhost/shop",
    "postgres://shop@localhost/shop",
    "mysql://shop@localhost/shop",
    "mysql+pymysql://shop@localhost/shop",
    "mariadb://shop@localhost/shop",
    "db+mysql+mysqldb://shop@localhost/shop",
    "sqlite:////var/lib/locks.sqlite",
    "db+sqlite:///locks.sqlite",
]


@pytest.fixture(params=["postgresql", "mariadb", "sqlite"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def backend(url: str) -> SQLBackend:
    backend = SQLBackend(url)
    record = record_of("earlier")
    backend.acquire("key", record, expire=10)
    backend.release("key", record.token)
    return backend


@pytest.fixture
def statements(backend: SQLBackend):
    """The statements that the backend sends by SQLAlchemy."""
    statements: list[str] = []

    def note(connection, cursor, statement, *_):
        statements.append(statement.partition(" ")[0])

    sa.event.listen(backend._database._engine, "before_cursor_execute", note)
    return statements


@pytest.mark.parametrize("url", URLS)
def test_a_database_is_found_however_it_is_spelt(url):
    assert can_hold_locks(url)
    assert backend_class(url) is SQLBackend
    assert isinstance(SQLBackend(url), SQLBackend)


def test_all_spellings_of_a_database_are_one_store():
    names = {SQLBackend(url).fingerprint for url in URLS[:6]}

    assert len(names) == 1


@pytest.mark.parametrize(
    "url",
    [
        *("sqlite://", "sqlite:///:memory:", "db+sqlite://", "sqlite://locks.sqlite"),
        "sqlite:///file:locks?mode=memory&uri=true",
    ],
)
def test_a_database_that_is_no_file_is_refused(url):
    with pytest.raises(ConfigurationError, match="names no file: use sqlite:////var"):
        SQLBackend(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://shop:ses/ame@host:port/shop",
        "postgresql://shop:ses@ame@host/shop",
        "mysql://shop:ses@ame@host:port/shop",
        "sqlite:///locks.sqlite?timeout=soon",
        "postgresql://host:1/shop?password=ses@ame",
        "mysql://shop@host/shop?password=ses@ame",
        "sqlite+pysqlcipher://:sesame@/locks.sqlite",
    ],
)
def test_a_url_that_cannot_be_used_is_an_error_without_its_password(url):
    with pytest.raises(ConfigurationError, match="cannot be (read|used)") as error:
        SQLBackend(url)

    shown = str(error.value)
    assert "ses" not in shown and "ame" not in shown.replace("name", "")


def test_a_driver_that_is_not_whole_says_what_it_misses():
    program = "from unique_task import SQLBackend; SQLBackend('postgresql://db/shop')"
    # As if the library of PostgreSQL's client were not installed.
    done = run_python(program, env={**os.environ, "PSYCOPG_IMPL": "c"})

    error = done.stderr.splitlines()[-1]
    assert "the driver psycopg is not whole: " in error
    assert "pip install 'unique_task[postgresql]'" in error
    assert "pip install 'psycopg[binary]'" in error


def test_databases_that_the_options_tell_apart_are_different_stores():
    urls = ["host=one", "host=two", "host=/run/one", "host=one&port=5433", ""]
    stores = {SQLBackend(f"postgresql:///shop?{query}").fingerprint for query in urls}

    assert len(stores) == len(urls)


def test_the_name_does_not_show_the_password():
    backend: Any = SQLBackend(
        "postgresql://shop:sesame@localhost/shop?sslpassword=secret"
    )

    assert backend.name == "postgresql+psycopg://shop:***@localhost/shop"


@pytest.mark.parametrize("url", ["postgresql://localhost/x", "mysql://localhost/x"])
def test_the_page_shows_the_ddl(url):
    blocks = [block.astext().split() for block in literal_blocks(PAGE)]

    assert SQLBackend(url).ddl().split() in blocks


def test_the_code_of_the_page_runs(capsys):
    texts = [block.astext() for block in literal_blocks(PAGE)]
    [code] = [text for text in texts if "import SQLBackend" in text]

    exec(code, {})

    assert "CREATE TABLE IF NOT EXISTS shop_locks" in capsys.readouterr().out


def test_where_an_insert_returns_no_row_a_lock_is_taken_in_a_transaction(
    backend, statements
):
    """MySQL and an old SQLite return none."""
    backend._database._engine.dialect.insert_returning = False

    taken = backend.acquire("key", FIRST, expire=10)

    assert isinstance(taken, Acquired)
    assert statements.count("INSERT") == 2  # of the row, and of the lock
    assert isinstance(backend.acquire("key", SECOND, expire=10), Held)


def test_all_leases_are_renewed_by_one_statement(backend, statements):
    records = [record_of(f"task {number}") for number in range(50)]
    renewals = [
        Renewal(
            record.owner, record, backend.acquire(record.owner, record, 10).fence, 9
        )
        for record in records
    ]
    statements.clear()

    backend.renew(renewals)

    assert statements == ["UPDATE"]
    assert all(backend.get(record.owner).remaining <= 9 for record in records)


def hold_with(url: str, expire: float) -> bool:
    """Take the lock in another process, which ends without releasing it."""
    return isinstance(SQLBackend(url).acquire("key", FIRST, expire), Acquired)


def test_a_lock_outlives_the_process_that_took_it(url):
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as processes:
        assert processes.submit(hold_with, url, 100).result(60)

    assert isinstance(SQLBackend(url).acquire("key", SECOND, 10), Held)


def test_a_lock_takes_no_part_in_the_transaction_of_the_caller(url, backend):
    """The lock stays taken whether the caller commits or rolls back."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT 1"))
        backend.acquire("key", FIRST, expire=10)
        connection.rollback()
    engine.dispose()

    assert backend.get("key").record.token == FIRST.token
