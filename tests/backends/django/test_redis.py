"""Django's caches in Redis: locks are in that Redis, with all that it promises."""

from typing import Any

import pytest
from redis import ConnectionPool

from tests.backends.django.stores import assert_locks, opened, refused
from tests.backends.stores import FIRST, ONE, PATIENCE, SECOND, TWO, in_time, reserve
from tests.django_settings import DJANGO_REDIS_CACHE, REDIS_CACHE, django_caches
from unique_task import LockStoreError, RedisBackend
from unique_task.backends.django.backend import DjangoCacheBackend
from unique_task.backends.findings import Level
from unique_task.backends.registry import open_backend
from unique_task.backends.steps import Acquired, Renewal, Renewed

REDIS_CACHES = [REDIS_CACHE, DJANGO_REDIS_CACHE]


class OwnPool(ConnectionPool):
    """A pool of a class that we do not know."""


def pool_of(backend: DjangoCacheBackend) -> Any:
    """The pool of the connections to Redis."""
    assert isinstance(backend.store, RedisBackend)
    driver: Any = backend.store._client.driver
    return driver.client.connection_pool


@pytest.mark.parametrize("kind", REDIS_CACHES)
def test_a_cache_in_redis_is_that_redis(kind, redis_url):
    backend = opened(kind, redis_url)

    assert backend.name == f"django-cache://locks ({redis_url})"
    assert backend.fingerprint == RedisBackend(redis_url).fingerprint
    assert backend.promises.fenced and backend.promises.one_step
    assert_locks(backend)


@pytest.mark.parametrize("kind", REDIS_CACHES)
@pytest.mark.parametrize("replica", ["redis://replica:1/0"])
def test_of_several_it_is_the_one_that_is_written_to(kind, redis_url, replica):
    for location in ([redis_url, replica], f"{redis_url},{replica}"):
        backend = opened(kind, location)

        assert backend.fingerprint == RedisBackend(redis_url).fingerprint
        assert_locks(backend)


def test_djangos_options_say_who_asks_and_where():
    options = {"db": "3", "password": "sesame", "protocol": 3, "max_connections": 1}
    backend = opened(REDIS_CACHE, "rediss://shop", OPTIONS=options)

    used = pool_of(backend).connection_kwargs
    assert (used["host"], used["db"], used["password"]) == ("shop", "3", "sesame")
    # How it is asked is ours to say.
    assert used["protocol"] == 2
    assert backend.name == "django-cache://locks (rediss://shop)"


def test_the_options_of_django_redis_say_who_asks_and_how():
    options = {
        "PASSWORD": "sesame",
        "CONNECTION_POOL_KWARGS": {"db": 3, "ssl_cert_reqs": "none"},
        "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
    }
    backend = opened(DJANGO_REDIS_CACHE, "rediss://shop", OPTIONS=options)

    used = pool_of(backend).connection_kwargs
    assert (used["db"], used["password"]) == (3, "sesame")
    assert used["ssl_cert_reqs"] == "none"


@pytest.mark.parametrize("kind", REDIS_CACHES)
def test_no_password_is_told(kind):
    backend = opened(kind, "redis://shop:sesame@localhost:1/0")

    assert "sesame" not in repr(backend)
    with pytest.raises(LockStoreError) as error:
        backend.acquire("key", FIRST, expire=10)
    assert "sesame" not in str(error.value)
    assert str(error.value).startswith("django-cache://locks (redis://shop:**@local")


@pytest.mark.parametrize("kind", REDIS_CACHES)
def test_a_location_that_cannot_be_read_is_an_error_without_password(kind):
    message = refused(kind, "redis://shop:ses/ame@localhost")

    assert message.startswith("django-cache://locks: ")
    assert "are written as %2F %23 %3F %3B and %40" in message
    assert "shop:ses" not in message and "ame@" not in message


@pytest.mark.parametrize("kind", REDIS_CACHES)
def test_no_location_is_an_error(kind):
    assert refused(kind, "").startswith("django-cache://locks: ")
    assert refused(kind, []).startswith("django-cache://locks: ")


@pytest.mark.parametrize("kind", REDIS_CACHES)
def test_the_time_of_locks_is_limited_whatever_the_cache_says(kind, own_redis):
    limits = {"socket_timeout": 60, "SOCKET_TIMEOUT": 60}
    name = "SOCKET_TIMEOUT" if kind == DJANGO_REDIS_CACHE else "socket_timeout"
    cache = {"BACKEND": kind, "LOCATION": own_redis.url}
    with django_caches(locks={**cache, "OPTIONS": {name: limits[name]}}):
        backend = DjangoCacheBackend("locks", timeout=0.5)
    own_redis.pause()
    try:
        with in_time(0.5), pytest.raises(LockStoreError):
            backend.acquire("key", FIRST, expire=10)
    finally:
        own_redis.resume()


OWN_POOL = f"{__name__}.OwnPool"
POOLS = [
    (REDIS_CACHE, {"pool_class": OWN_POOL, "socket_timeout": PATIENCE}),
    (
        DJANGO_REDIS_CACHE,
        {"CONNECTION_POOL_CLASS": OWN_POOL, "SOCKET_TIMEOUT": PATIENCE},
    ),
]


@pytest.mark.parametrize("kind, options", POOLS)
def test_a_pool_that_does_more_is_used_as_it_is(kind, options, redis_url):
    backend = opened(kind, redis_url, OPTIONS=options)

    assert type(pool_of(backend)) is OwnPool
    assert_locks(backend)


def test_a_pool_that_does_more_and_waits_for_ever_is_refused():
    options = {"pool_class": OWN_POOL, "socket_timeout": None}

    assert f"with socket_timeout={PATIENCE // 2}, or less" in refused(
        REDIS_CACHE, "redis://localhost/0", OPTIONS=options
    )


def test_a_client_that_decodes_responses_is_refused():
    url = "redis://shop:sesame@localhost/0"
    options = {"pool_class": OWN_POOL, "decode_responses": True}

    assert refused(REDIS_CACHE, url, OPTIONS=options) == (
        "django-cache://locks: its client decodes responses, and stored values are "
        "bytes: set decode_responses=False"
    )


def test_keys_that_are_spread_over_servers_are_refused():
    options = {"CLIENT_CLASS": "django_redis.client.ShardClient"}
    url = ["redis://one", "redis://two"]

    assert "its ShardClient spreads keys over several servers" in refused(
        DJANGO_REDIS_CACHE, url, OPTIONS=options
    )


def test_a_client_of_another_kind_is_refused(monkeypatch):
    monkeypatch.setattr(
        "django_redis.client.DefaultClient.get_client", lambda *_, **__: object()
    )
    options = {"CONNECTION_POOL_CLASS": OWN_POOL}

    assert "its client must be a redis.Redis; its class is object" in refused(
        DJANGO_REDIS_CACHE, "redis://one", OPTIONS=options
    )


def test_the_prefix_of_a_cache_tells_apart_two_projects(redis_url):
    one, two = (opened(REDIS_CACHE, redis_url, KEY_PREFIX=name) for name in ("1", "2"))

    assert isinstance(one.acquire("key", FIRST, expire=10), Acquired)
    assert isinstance(two.acquire("key", SECOND, expire=10), Acquired)
    assert one.fingerprint != two.fingerprint


def test_two_projects_in_one_cache_count_apart(redis_url, redis_server):
    counter, prefixes = ("shop.charge", "runs"), ("1", "2")
    stores = [opened(REDIS_CACHE, redis_url, KEY_PREFIX=name) for name in prefixes]
    for number, store in enumerate(stores, start=1):
        store.count("flush", {counter: number})

    found = [[row.amount for row in store.counted().rows] for store in stores]

    assert found == [[1], [2]]
    names = redis_server.client.keys()
    assert all(name.startswith(("unique:{1:", "unique:{2:")) for name in names)


def test_every_step_is_behind_the_prefix(redis_url, redis_server):
    backend = opened(REDIS_CACHE, redis_url, KEY_PREFIX="shop", VERSION=7)

    taken = backend.acquire("key", FIRST, expire=10)
    assert redis_server.client.keys() == ["unique:{shop:key}"]
    renewal = Renewal("key", FIRST, taken.fence, 10)
    assert backend.renew([renewal]) == [Renewed.HELD]
    assert backend.get("key").record.owner == "first"
    assert backend.release("key", FIRST.token)
    reserve(backend, ONE)
    replaced = reserve(backend, TWO).replaced
    assert backend.restore("key", TWO.token, replaced)
    assert backend.get("key").record.owner == "one"
    assert all("{shop:key}" in key for key in redis_server.client.keys())


def test_a_cache_whose_redis_gives_held_locks_away_is_warned_of(
    django_redis_cache_url, redis_server
):
    backend = open_backend(django_redis_cache_url, timeout=20)
    redis_server.client.config_set("maxmemory-policy", "volatile-lru")
    warnings = [one for one in backend.findings() if one.level is Level.WARN]
    redis_server.client.config_set("maxmemory-policy", "noeviction")

    names = [warning.name for warning in warnings]
    assert names == ["promises", "eviction", "persistence"]
    assert "cache.clear()" in warnings[0].found
    assert "maxmemory-policy volatile-lru" in warnings[1].found
