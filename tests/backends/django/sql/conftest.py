"""Databases of Django's in real servers."""

import sys
from collections.abc import Iterator
from typing import Any

import pymysql
import pytest

from tests.backends.django.sql.databases import database_at
from tests.django_settings import django_databases


@pytest.fixture(autouse=True)
def mysqldb(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver that Django's engine imports: PyMySQL speaks as mysqlclient does."""
    monkeypatch.setattr(pymysql, "version_info", (2, 2, 1, "final", 0))
    for module in ("MySQLdb", "_mysql"):
        monkeypatch.setitem(sys.modules, module, pymysql)


@pytest.fixture(params=["postgresql_url", "mariadb_url", "sqlite_url"])
def url(request: pytest.FixtureRequest) -> str:
    """Where a database is; there is no lock in it."""
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def database(url: str) -> dict[str, Any]:
    """The settings of Django's for it."""
    return database_at(url)


@pytest.fixture
def django(database: dict[str, Any]) -> Iterator[None]:
    """It is Django's database "locks"."""
    with django_databases(locks=database):
        yield


@pytest.fixture
def in_postgresql(postgresql_url: str) -> Iterator[None]:
    """Django's database "locks" is in PostgreSQL."""
    with django_databases(locks=database_at(postgresql_url)):
        yield
