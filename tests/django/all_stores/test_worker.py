"""A project on PostgreSQL: one role migrates, and the role of its worker may not."""

import gc
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from sqlalchemy.engine import make_url

from tests.backends.django.sql.databases import database_at
from tests.docs.test_readme import ROOT
from tests.programs import run
from tests.waiting import wait_until
from tests.worker.worker_process import WorkerProcess
from unique_task import SQLBackend

pytestmark = pytest.mark.worker

TASK = "tests.django.project.orders.tasks.import_orders"


@pytest.fixture
def databases(postgresql: Any) -> Iterator[dict[str, Any]]:
    """The project's database, as those see it who own it, and as the worker does."""
    with postgresql.connect() as connection:
        connection.execute("CREATE DATABASE site")
        connection.execute("CREATE ROLE worker LOGIN PASSWORD 'sesame'")
    with postgresql.connect("site") as connection:
        connection.execute(
            "ALTER DEFAULT PRIVILEGES IN SCHEMA public "
            "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO worker"
        )
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    owner = database_at(postgresql.url, NAME="site")
    yield {"owner": owner, "worker": {**owner, "USER": "worker", "PASSWORD": "sesame"}}
    with postgresql.connect() as connection:
        connection.execute("DROP DATABASE site WITH (FORCE)")
        connection.execute("DROP ROLE worker")


def environment(database: dict[str, Any], **urls: str) -> dict[str, str]:
    settings = {
        "DATABASES": {"default": database},
        "CELERY_UNIQUE_BACKEND": "django-db://default",
        "CELERY_UNIQUE_LEASE": 5,
    }
    return {
        "DJANGO_SETTINGS_MODULE": "tests.django.project.settings",
        "UNIQUE_TEST_SETTINGS": json.dumps(settings),
        **urls,
    }


@pytest.fixture
def urls(redis_url: str) -> tuple[str, str]:
    """The project's broker and result backend."""
    server = redis_url.removesuffix("/0")
    return f"{server}/1", f"{server}/2"


@pytest.fixture
def worker(
    databases: dict[str, Any], urls: tuple[str, str], tmp_path: Path
) -> Iterator[WorkerProcess]:
    """The project's worker, after the migration."""
    how = {**os.environ, **environment(databases["owner"])}
    run(sys.executable, "-m", "django", "migrate", "-v0", cwd=ROOT, env=how, check=True)
    broker, backend = urls
    with WorkerProcess(
        tmp_path,
        broker=broker,
        backend=backend,
        locks="",
        pool="threads",
        app="tests.django.project",
        environment=environment(
            databases["worker"], UNIQUE_TEST_BROKER=broker, UNIQUE_TEST_BACKEND=backend
        ),
    ) as worker:
        yield worker


@pytest.fixture
def caller(urls: tuple[str, str]) -> Iterator[Celery]:
    """An app without Django, which calls the project's task by its name."""
    app = Celery(broker=urls[0], backend=urls[1], set_as_current=False)
    yield app
    # Its results unsubscribe when they are collected.
    gc.collect()
    app.close()


def test_a_worker_that_may_create_no_table_uses_the_migrated_ones(
    worker, caller, postgresql, tmp_path
):
    def call() -> Any:
        return caller.send_task(TASK, [str(tmp_path)])

    first = call()
    wait_until((tmp_path / "started").exists, message="the first call did not start")
    second = call()
    wait_until(lambda: second.state == "REVOKED", message="the second one was let in")
    (tmp_path / "end").touch()

    assert first.get(timeout=10) == "imported"
    worker.terminate()
    assert "locks of 2 unique tasks are in django-db://default (postgres" in worker.log
    # It has counted when it ended, too.
    store = SQLBackend(make_url(postgresql.url).set(database="site"), timeout=20)
    assert {row.name for row in store.counted().rows} >= {"runs"}
