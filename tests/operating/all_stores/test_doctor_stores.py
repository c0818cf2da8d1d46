"""The doctor's checks of real stores: one that fails, one that passes."""

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery

from tests.published_calls import task_of
from tests.servers import RedisServer
from unique_task import RedisBackend, unique
from unique_task.backends.findings import Finding, Level
from unique_task.backends.sql import SQLBackend
from unique_task.operating.doctor import examine

pytest_plugins = "tests.inprocess_fixtures"

STORES = {
    "redis_url": "redis://",
    "postgresql_url": "postgresql+psycopg://",
    "mariadb_url": "mysql+pymysql://",
    "memcached_url": "memcached://",
}


@pytest.fixture
def app(app: Celery, own_shared_tasks: None) -> Celery:
    task_of(app)
    app.conf.unique_timeout = 20
    return app


def findings(app: Celery, store: object) -> dict[str, Finding]:
    app.conf.unique_backend = store
    return {one.name: one for one in examine(app, timeout=0)}


@pytest.fixture
def server(redis_server: RedisServer, redis_url: str) -> Iterator[RedisServer]:
    yield redis_server
    client: Any = redis_server.client
    client.config_set("maxmemory-policy", "noeviction")
    client.acl_deluser("guest")


@pytest.mark.parametrize("url", STORES)
def test_a_store_that_works_passes(app, url, request):
    found = findings(app, request.getfixturevalue(url))

    assert found["store"].level is Level.OK
    assert found["store"].where.startswith(STORES[url])


@pytest.mark.parametrize("url", STORES)
def test_the_clock_of_a_store_is_compared_if_it_has_one(app, url, request):
    level = findings(app, request.getfixturevalue(url))["clock"].level

    assert level is (Level.UNKNOWN if url == "memcached_url" else Level.OK)


@pytest.mark.parametrize(
    "url",
    ["redis://localhost:1/0", "postgresql://localhost:1/x", "memcached://localhost:1"],
)
def test_a_store_that_does_not_answer_fails_and_the_rest_goes_on(app, url):
    app.conf.unique_timeout = 0.5

    found = findings(app, url)

    assert found["store"].level is Level.FAIL
    assert "start the store" in found["store"].advice
    assert found["clock"].level is Level.UNKNOWN
    assert {"promises", "waits", "workers"} <= found.keys()
    if "redis" in url:
        assert "eviction" not in found
        assert found["state"].level is Level.UNKNOWN


def test_a_missing_right_fails(app, server):
    client: Any = server.client
    client.execute_command(
        *(
            "ACL",
            "SETUSER",
            "guest",
            "reset",
            "on",
            ">sesame",
            "~*",
            "+@all",
            "-pexpire",
        )
    )

    found = findings(app, server.url.replace("redis://", "redis://guest:sesame@"))

    assert found["store"].level is Level.FAIL
    assert "pexpire" in found["store"].found
    assert "refuses" in found["store"].advice
    assert found["eviction"].level is Level.OK
    assert "sesame" not in "".join(map(str, found.values()))


def test_a_redis_that_evicts_is_warned_of(app, server):
    server.client.config_set("maxmemory-policy", "allkeys-lru")

    found = findings(app, server.url)

    assert found["eviction"].level is Level.WARN
    assert found["eviction"].where == server.url


def test_a_redis_that_keeps_its_keys_passes(app, server):
    assert findings(app, server.url)["eviction"].level is Level.OK


def test_a_redis_that_writes_nothing_is_warned_of_and_its_replicas_counted(app, server):
    found = findings(app, server.url)

    assert found["persistence"].level is Level.WARN
    assert found["replicas"].level is Level.OK


@pytest.mark.parametrize("url", ["postgresql_url", "mariadb_url"])
def test_a_table_without_its_index_is_warned_of(app, url, request):
    store = SQLBackend(request.getfixturevalue(url), table="bare", timeout=20)
    assert findings(app, store)["index"].level is Level.OK

    [index] = store._table.indexes
    store._database.run(index.drop)
    found = findings(app, store)
    store._database.run(store._table.drop)

    assert found["index"].level is Level.WARN
    assert "CREATE" in found["index"].advice


def test_each_store_of_an_app_is_looked_at(app, server, memcached_url):
    task_of(app, unique(backend=RedisBackend(server.url)), "other")
    app.conf.unique_backend = memcached_url

    places = [one.where for one in examine(app, timeout=0) if one.name == "store"]

    assert sorted(place.partition(":")[0] for place in places) == ["memcached", "redis"]
