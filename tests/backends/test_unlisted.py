"""What a store does that cannot list its locks, and keeps no counters."""

from collections.abc import Iterator

import pytest

from tests.backends.stores import open_store
from tests.django_settings import django_caches
from unique_task import ConfigurationError
from unique_task.backends.base import Backend
from unique_task.backends.counting import Counts, counter_of
from unique_task.backends.findings import Level
from unique_task.backends.listing import Lists, lister_of


@pytest.fixture(params=["memcached_url", "unsafe_cache_url"])
def unlisted(request: pytest.FixtureRequest) -> Backend:
    return open_store(request.getfixturevalue(request.param))


@pytest.fixture
def unsafe_cache_url(sqlite_url: str) -> Iterator[str]:
    place = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    with django_caches(default=place):
        yield "django-cache://?unsafe=true"


@pytest.mark.parametrize("prefix", ["", "shop:"])
def test_a_store_that_cannot_list_its_locks_says_so(unlisted, prefix):
    backend = unlisted.with_prefix(prefix)

    assert lister_of(backend) is None
    assert not backend.promises.lists
    if isinstance(backend, Lists):
        with pytest.raises(ConfigurationError, match="cannot list its locks"):
            backend.locks()


@pytest.mark.parametrize("prefix", ["", "shop:"])
def test_a_store_that_keeps_no_counters_says_so(unlisted, prefix):
    backend = unlisted.with_prefix(prefix)

    assert counter_of(backend) is None
    [finding] = [one for one in backend.findings() if one.name == "counters"]
    assert finding.level is Level.OK
    assert "keeps no counters" in finding.found
    if isinstance(backend, Counts):
        for ask in (backend.counted, lambda: backend.count("flush", {})):
            with pytest.raises(ConfigurationError, match="keeps no counters"):
                ask()
