"""Django's caches in memcached: locks are on the same servers."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from tests.backends.django.stores import assert_locks, opened, refused
from tests.django_settings import PYLIBMC, PYMEMCACHE
from unique_task.backends.memcached import MemcachedBackend


@pytest.fixture
def pylibmc(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that Django's cache needs, and locks do not."""
    module: Any = SimpleNamespace(Client=None, NotFound=KeyError)
    monkeypatch.setitem(sys.modules, "pylibmc", module)


def test_a_cache_in_memcached_is_that_memcached(memcached_url):
    place = memcached_url.split("//")[1]
    for location in (place, [place]):
        backend = opened(PYMEMCACHE, location)

        assert backend.name == f"django-cache://locks ({memcached_url})"
        assert backend.fingerprint == MemcachedBackend(memcached_url).fingerprint
        assert not backend.promises.fenced
        assert_locks(backend)


def test_a_cache_of_pylibmc_is_that_memcached(memcached_url, pylibmc):
    assert_locks(opened(PYLIBMC, memcached_url.split("//")[1]))


SERVERS = {
    "one:1;two:2": [("one", 1), ("two", 2)],
    "one, two:2": [("one", 11211), ("two", 2)],
    "unix:/run/one.sock": ["/run/one.sock"],
    "/run/one.sock": ["/run/one.sock"],
    "[::1]:1": [("::1", 1)],
    ("one:1", ("two", 2)): [("one", 1), ("two", 2)],
    ("unix:/run/one.sock", "two"): ["/run/one.sock", ("two", 11211)],
}


@pytest.mark.parametrize("location, servers", SERVERS.items())
def test_the_servers_are_those_of_the_cache(location, servers):
    store = opened(PYMEMCACHE, location).store

    assert isinstance(store, MemcachedBackend)
    assert store._servers == servers


def test_memcached_that_has_to_be_asked_otherwise_is_refused(pylibmc):
    options = {"username": "shop", "password": "sesame"}

    assert refused(PYLIBMC, "one", OPTIONS=options) == (
        "django-cache://locks: locks in memcached cannot use username and password, "
        "which its OPTIONS have: remove them, or name another cache"
    )


def test_it_says_what_to_install_for_memcached(pylibmc, monkeypatch):
    for module in ("memcached", "memcached.backend"):
        monkeypatch.delitem(sys.modules, f"unique_task.backends.{module}")
    monkeypatch.setitem(sys.modules, "pymemcache.client.base", None)

    assert "pip install 'unique_task[memcached]'" in refused(PYLIBMC, "one")
