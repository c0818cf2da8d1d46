"""Databases of Django's with no table in them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import URL, make_url

from tests.backends.django.sql.conftest import mysqldb
from tests.backends.django.sql.databases import database_at
from tests.django_settings import django_databases

__all__ = ["mysqldb"]


@pytest.fixture
def empty_postgresql(postgresql: Any) -> Iterator[URL]:
    with postgresql.connect() as connection:
        connection.execute("CREATE DATABASE site")
        yield make_url(postgresql.url).set(database="site")
        connection.execute("DROP DATABASE site WITH (FORCE)")


@pytest.fixture
def empty_mariadb(mariadb: Any) -> Iterator[URL]:
    with mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE site")
        yield make_url(mariadb.url).set(database="site")
        cursor.execute("DROP DATABASE site")


@pytest.fixture
def empty_sqlite(tmp_path: Path) -> URL:
    return make_url(f"sqlite:///{tmp_path}/site.sqlite")


@pytest.fixture(params=["empty_postgresql", "empty_mariadb", "empty_sqlite"])
def url(request: pytest.FixtureRequest) -> URL:
    """An empty database."""
    found: URL = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def site(url: URL) -> Iterator[None]:
    """It is Django's database "site"."""
    with django_databases(site=database_at(url.render_as_string(False))):
        yield
