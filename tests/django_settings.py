"""Django in the process of the tests: configured once, with caches for each test."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import django
from django.conf import settings
from django.test.utils import override_settings

REDIS_CACHE = "django.core.cache.backends.redis.RedisCache"
DJANGO_REDIS_CACHE = "django_redis.cache.RedisCache"
PYMEMCACHE = "django.core.cache.backends.memcached.PyMemcacheCache"
PYLIBMC = "django.core.cache.backends.memcached.PyLibMCCache"
LOCMEM = "django.core.cache.backends.locmem.LocMemCache"
FILES = "django.core.cache.backends.filebased.FileBasedCache"
DATABASE = "django.core.cache.backends.db.DatabaseCache"
DUMMY = "django.core.cache.backends.dummy.DummyCache"


def configure_django() -> None:
    """Give Django a database in memory, if no other test has done so."""
    if not settings.configured:
        databases = {
            "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
        }
        settings.configure(DATABASES=databases, USE_TZ=True)
        django.setup()


@contextmanager
def django_caches(**caches: dict[str, Any]) -> Iterator[None]:
    """Give Django these caches, by their aliases, beside a default that is a dummy."""
    configure_django()
    with override_settings(CACHES={"default": {"BACKEND": DUMMY}, **caches}):
        yield
