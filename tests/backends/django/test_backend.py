"""Which of Django's caches hold locks, which are refused, and with which error."""

import sys
from typing import Any

import pytest
from django.core.cache.backends.base import BaseCache

from tests.backends.django.stores import opened, refused
from tests.backends.stores import open_store
from tests.django_settings import (
    DATABASE,
    FILES,
    LOCMEM,
    PYMEMCACHE,
    REDIS_CACHE,
    django_caches,
)
from tests.programs import run_python
from unique_task import ConfigurationError
from unique_task.backends.django.backend import DjangoCacheBackend
from unique_task.backends.registry import backend_class, can_hold_locks


class OwnCache(BaseCache):  # type: ignore[misc]
    """A cache of another package."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)


def test_it_warns_that_a_cache_may_be_cleared():
    backend = opened(REDIS_CACHE, "redis://one")
    assert backend.promises.warning.startswith("cache.clear() deletes all locks")
    assert backend.promises.needs == "unique_task[django]"

    backend = opened(PYMEMCACHE, "one")
    assert "memcached forgets locks when" in backend.promises.warning
    assert "; cache.clear() deletes all locks" in backend.promises.warning
    assert backend.promises.needs == "unique_task[django] unique_task[memcached]"


@pytest.mark.parametrize("kind", [LOCMEM, FILES, DATABASE, f"{__name__}.OwnCache"])
def test_a_cache_without_compare_and_delete_is_refused(kind, tmp_path):
    name = kind.rpartition(".")[2]

    assert refused(kind, str(tmp_path)) == (
        f"django-cache://locks: a {name} has no compare-and-delete, so a task that "
        "ends late could release the lock of the next one: name a cache in Redis or "
        "memcached, or accept that with django-cache://locks?unsafe=true"
    )


@pytest.mark.parametrize("unsafe", [False, True])
def test_a_dummy_is_refused_always(unsafe):
    message = "^django-cache://default: a DummyCache keeps nothing, and no locks either"
    with django_caches(), pytest.raises(ConfigurationError, match=message):
        DjangoCacheBackend(unsafe=unsafe)


def test_an_unknown_alias_is_an_error_that_lists_the_known():
    with django_caches(sessions={"BACKEND": LOCMEM}):
        with pytest.raises(ConfigurationError) as error:
            open_store("django-cache://locks")

    message = "Django's CACHES has no 'locks'; it has default, sessions"
    assert str(error.value) == f"django-cache://locks: {message}"


def test_a_cache_that_django_cannot_make_is_an_error():
    assert "Django cannot make this cache: Could not find backend" in refused(
        "no.where"
    )


def test_the_url_names_the_default_cache_if_no_other(redis_url):
    with django_caches(default={"BACKEND": REDIS_CACHE, "LOCATION": redis_url}):
        for url in ("django-cache://", "django-cache://default", "django-cache:///"):
            assert open_store(url).name == f"django-cache://default ({redis_url})"


@pytest.mark.parametrize("query", ["unsafe=perhaps", "unsafe", "save=true"])
def test_an_option_that_makes_no_sense_is_an_error(query):
    with pytest.raises(ConfigurationError, match="its only option is .unsafe=true"):
        open_store(f"django-cache://locks?{query}")


def test_the_name_by_which_celery_keeps_results_there_is_no_store_of_locks():
    assert can_hold_locks("django-cache://")
    assert not can_hold_locks("django-cache")


def test_it_says_what_to_install_for_django(monkeypatch):
    for module in ("django", "django.backend"):
        monkeypatch.delitem(sys.modules, f"unique_task.backends.{module}")
    monkeypatch.setitem(sys.modules, "django.conf", None)

    with pytest.raises(ConfigurationError, match=r"install 'unique_task\[django\]'"):
        backend_class("django-cache://")


UNCONFIGURED = """
from django.conf import settings
from unique_task.backends.registry import open_backend
from unique_task.backends.django.backend import DjangoCacheBackend
assert not settings.configured
try:
    open_backend("django-cache://locks", timeout=2)
except Exception as error:
    print(type(error).__name__, error)
"""


def test_django_without_settings_is_an_error_when_it_is_used():
    done = run_python(UNCONFIGURED, check=True)

    assert done.stdout == (
        "ConfigurationError django-cache://locks: Django's settings are not "
        "configured: set DJANGO_SETTINGS_MODULE\n"
    )
