"""Opens backends for caches of Django, for the tests."""

from typing import Any

import pytest

from tests.backends.stores import FIRST, SECOND
from tests.django_settings import django_caches
from unique_task import ConfigurationError
from unique_task.backends.django.backend import DjangoCacheBackend
from unique_task.backends.steps import Acquired, Held


def opened(backend: str, location: Any = "", **more: Any) -> Any:
    """The backend for a cache of this configuration."""
    cache = {"BACKEND": backend, "LOCATION": location, **more}
    with django_caches(locks=cache):
        return DjangoCacheBackend("locks")


def refused(backend: str, location: Any = "", **more: Any) -> str:
    """The error for a cache that is refused."""
    with pytest.raises(ConfigurationError) as error:
        opened(backend, location, **more)
    return str(error.value)


def assert_locks(backend: Any) -> None:
    """One attempt takes a lock, another finds it held, and it is free again."""
    assert isinstance(backend.acquire("key", FIRST, expire=10), Acquired)
    assert isinstance(backend.acquire("key", SECOND, expire=10), Held)
    assert not backend.release("key", SECOND.token)
    assert backend.release("key", FIRST.token)
    assert backend.get("key") is None
