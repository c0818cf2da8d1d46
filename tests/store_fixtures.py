"""Where locks may live, by the URLs of stores with no lock in them.

The stores that one server is enough for are in ``conftest.py``.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.django_settings import (
    REDIS_CACHE,
    SQLITE,
    django_caches,
    django_databases,
)
from tests.servers import Cluster, RedisServer, Sentinels, cluster, sentinels


@pytest.fixture
def memory_url() -> str:
    return "memory://"


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("valkey"), name="valkey") as server:
        yield server


@pytest.fixture(scope="session")
def redis_6(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis"), name="redis-6.2") as server:
        yield server


@pytest.fixture(scope="session")
def redis_sentinels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sentinels]:
    with sentinels(tmp_path_factory.mktemp("sentinels")) as servers:
        yield servers


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster")) as servers:
        yield servers


@pytest.fixture
def sentinel_url(redis_sentinels: Sentinels) -> str:
    redis_sentinels.master.client.flushall()
    return redis_sentinels.url


@pytest.fixture
def cluster_url(redis_cluster: Cluster) -> str:
    redis_cluster.empty()
    return redis_cluster.url


@pytest.fixture
def valkey_url(valkey: RedisServer) -> str:
    valkey.client.flushall()
    return valkey.url.replace("redis://", "valkey://")


@pytest.fixture
def redis_6_url(redis_6: RedisServer) -> str:
    redis_6.client.flushall()
    return redis_6.url


@pytest.fixture
def django_redis_cache_url(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A cache in another database than that which the other tests use."""
    location = redis_url.replace("/0", "/5")
    caches = {"default": {"BACKEND": REDIS_CACHE, "LOCATION": location}}
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "tests.django_spawned")
    monkeypatch.setenv("UNIQUE_TEST_CACHES", json.dumps(caches))
    with django_caches(**caches):
        yield "django-cache://"


@pytest.fixture
def django_database_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A database in a file, which costs least: others are asked as without Django."""
    file = str(tmp_path / "django.sqlite")
    databases = {"locks": {"ENGINE": SQLITE, "NAME": file}}
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "tests.django_spawned")
    monkeypatch.setenv("UNIQUE_TEST_DATABASES", json.dumps(databases))
    with django_databases(**databases):
        yield "django-db://locks"


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/locks.sqlite"
