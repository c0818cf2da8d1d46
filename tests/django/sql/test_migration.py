"""The migration makes the tables that a worker would make, and takes them away."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

import pytest
import sqlalchemy as sa
from django.db import connections
from django.db.migrations.exceptions import IrreversibleError
from django.db.migrations.state import ProjectState
from django.test.utils import override_settings
from sqlalchemy.engine import URL

from tests.backends.django.sql.databases import database_at
from tests.backends.stores import FIRST, open_store
from tests.django_settings import POSTGRESQL, django_databases
from unique_task import LockStoreRefusedError
from unique_task.backends.sql import SQLBackend
from unique_task.backends.steps import Acquired

pytestmark = pytest.mark.any_celery

MIGRATION = import_module("unique_task.django.migrations.0001_initial").Migration

TABLES = ["unique_task_locks", "unique_task_locks_counters"]


def migrate(alias: str = "site", back: bool = False, **how: Any) -> list[str]:
    """Apply the migration; return the SQL that it only shows."""
    migration = MIGRATION("0001_initial", "unique_task")
    connection = connections[alias]
    with connection.schema_editor(atomic=True, **how) as editor:
        step = migration.unapply if back else migration.apply
        step(ProjectState(), editor, collect_sql=editor.collect_sql)
        return list(getattr(editor, "collected_sql", []))


def layout(url: URL) -> dict[str, Any]:
    """The tables of a database: columns, keys and indexes."""
    engine = sa.create_engine(url)
    try:
        inspector = sa.inspect(engine)
        return {
            name: _layout_of(inspector, name) for name in inspector.get_table_names()
        }
    finally:
        engine.dispose()


def _layout_of(inspector: Any, table: str) -> Any:
    columns = [
        (one["name"], repr(one["type"]), one["nullable"])
        for one in inspector.get_columns(table)
    ]
    indexes = [
        (one["name"], one["column_names"]) for one in inspector.get_indexes(table)
    ]
    return columns, inspector.get_pk_constraint(table)["constrained_columns"], indexes


def worker_at(url: URL) -> SQLBackend:
    """A worker's store, which has made its tables."""
    worker = SQLBackend(url, timeout=20)
    worker.check()
    worker.count("flush", {("shop.charge", "runs"): 1})
    return worker


def execute(url: URL, *statements: str) -> None:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def test_it_makes_what_a_worker_makes(url, site):
    migrate()
    migrated = layout(url)
    migrate(back=True)
    assert layout(url) == {}
    worker_at(url)

    assert sorted(migrated) == TABLES
    assert migrated == layout(url)


def test_it_keeps_what_a_worker_has_made_and_adds_what_is_missing(url, site):
    worker_at(url).acquire("key", FIRST, expire=100)
    whole, drop = layout(url), "DROP INDEX unique_task_locks_ends"
    on = " ON unique_task_locks" if "mysql" in url.drivername else ""
    execute(url, drop + on, "DROP TABLE unique_task_locks_counters")
    migrate()
    migrate()

    assert layout(url) == whole
    assert SQLBackend(url, timeout=20).release("key", FIRST.token)


def test_two_make_them_at_once(url, site):
    def migrate_in_thread(_: int) -> None:
        try:
            migrate()
        finally:
            connections["site"].close()

    # One writer has a file of SQLite alone, as every migration there.
    count = 1 if "sqlite" in url.drivername else 4
    with ThreadPoolExecutor(count) as threads:
        list(threads.map(migrate_in_thread, range(count)))

    assert sorted(layout(url)) == TABLES


def test_it_is_shown_before_it_is_done(url, site):
    shown = "\n".join(migrate(collect_sql=True))
    assert layout(url) == {}
    statements = [one for one in shown.split(";") if "CREATE" in one]
    execute(url, *(one[one.index("CREATE") :] for one in statements))
    migrated = layout(url)
    migrate()

    assert migrated == layout(url)
    assert sorted(migrated) == TABLES


def test_tables_in_which_locks_are_held_stay(url, site):
    migrate()
    store = open_store("django-db://site")
    store.acquire("key", FIRST, expire=100)
    with pytest.raises(IrreversibleError, match="^1 locks are held in the table"):
        migrate(back=True)
    store.release("key", FIRST.token)
    migrate(back=True)

    assert layout(url) == {}


@pytest.fixture
def roles(empty_postgresql: URL, postgresql: Any) -> Iterator[Any]:
    """One that may create tables, "mover", and one that may use them, "worker"."""
    with postgresql.connect("site") as connection:
        for statement in (
            "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
            "CREATE ROLE mover LOGIN PASSWORD 'sesame'",
            "CREATE ROLE worker LOGIN PASSWORD 'sesame'",
            "GRANT CREATE ON SCHEMA public TO mover",
            "ALTER DEFAULT PRIVILEGES FOR ROLE mover IN SCHEMA public "
            "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO worker",
        ):
            connection.execute(statement)
        places = {
            name: database_at(
                empty_postgresql.set(username=name, password="sesame").render_as_string(
                    False
                )
            )
            for name in ("mover", "worker")
        }
        with django_databases(**places):
            yield
        for name in ("mover", "worker"):
            connection.execute(f"DROP OWNED BY {name}")
            connection.execute(f"DROP ROLE {name}")


def test_a_worker_without_the_right_to_create_tables_uses_them(roles):
    worker = open_store("django-db://worker")
    with pytest.raises(LockStoreRefusedError, match="is missing and cannot be created"):
        worker.get("key")
    migrate("mover")

    assert isinstance(worker.acquire("key", FIRST, expire=10), Acquired)
    assert worker.release("key", FIRST.token)
    worker.check()
    # Where the tables are, it needs no right.
    migrate("worker")


def test_a_database_that_a_router_leaves_out_gets_none(empty_sqlite):
    name = "tests.django.sql.routers.Elsewhere"
    with django_databases(site=database_at(str(empty_sqlite))):
        with override_settings(DATABASE_ROUTERS=[name]):
            migrate()
            migrate(back=True)
            assert migrate(collect_sql=True)[-1].endswith("(no-op)")

    assert layout(empty_sqlite) == {}


def test_a_database_that_keeps_no_locks_gets_none(empty_postgresql, monkeypatch):
    database = database_at(empty_postgresql.render_as_string(False))
    with django_databases(site=database):
        monkeypatch.setattr(connections["site"], "vendor", "oracle", raising=False)
        migrate()

    assert layout(empty_postgresql) == {}
    assert database["ENGINE"] == POSTGRESQL
