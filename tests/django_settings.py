"""Django in the process of the tests: configured once, with caches for each test."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import django
from django.conf import settings
from django.db import connections
from django.test.utils import override_settings

REDIS_CACHE = "django.core.cache.backends.redis.RedisCache"
DJANGO_REDIS_CACHE = "django_redis.cache.RedisCache"
PYMEMCACHE = "django.core.cache.backends.memcached.PyMemcacheCache"
PYLIBMC = "django.core.cache.backends.memcached.PyLibMCCache"
LOCMEM = "django.core.cache.backends.locmem.LocMemCache"
FILES = "django.core.cache.backends.filebased.FileBasedCache"
DATABASE = "django.core.cache.backends.db.DatabaseCache"
DUMMY = "django.core.cache.backends.dummy.DummyCache"

POSTGRESQL = "django.db.backends.postgresql"
MYSQL = "django.db.backends.mysql"
SQLITE = "django.db.backends.sqlite3"


def configure_django() -> None:
    """Give Django a database in memory, if no other test has done so."""
    if not settings.configured:
        databases = {"default": {"ENGINE": SQLITE, "NAME": ":memory:"}}
        settings.configure(DATABASES=databases, USE_TZ=True)
        django.setup()


@contextmanager
def django_caches(**caches: dict[str, Any]) -> Iterator[None]:
    """Give Django these caches, by their aliases, beside a default that is a dummy."""
    configure_django()
    with override_settings(CACHES={"default": {"BACKEND": DUMMY}, **caches}):
        yield


@contextmanager
def django_databases(**databases: dict[str, Any]) -> Iterator[None]:
    """Give Django these databases, by their aliases, beside a default in memory."""
    configure_django()
    known = connections.settings
    # It fills in what is not said, and asks for a default.
    complete = connections.configure_settings({"default": {}, **databases})
    known.update({alias: complete[alias] for alias in databases})
    try:
        yield
    finally:
        for connection in connections.all(initialized_only=True):
            if connection.alias in databases:
                connection.close()
                del connections[connection.alias]
        for alias in databases:
            del known[alias]
