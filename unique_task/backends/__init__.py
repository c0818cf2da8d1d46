"""Where locks live: from a URL to a backend."""

from __future__ import annotations

import os
from functools import lru_cache
from importlib import import_module
from urllib.parse import urlsplit

from ..exceptions import ConfigurationError
from .base import Backend
from .redis_url import without_password

_REDIS = "unique_task.backends.redis:RedisBackend"

#: Scheme of a URL -> class, imported when it is needed.
BACKENDS = {
    "memory": "unique_task.backends.memory:MemoryBackend",
    "redis": _REDIS,
    "rediss": _REDIS,
    "redis+socket": _REDIS,
    "valkey": _REDIS,
    "valkeys": _REDIS,
}

#: What Celery calls its own in-process stores.
_ALIASES = {"cache+memory": "memory"}


def can_hold_locks(url: str) -> bool:
    """Tell whether a lock can live where `url` points to."""
    return _scheme(url) in BACKENDS


@lru_cache(maxsize=None)
def open_backend(url: str, timeout: float) -> Backend:
    """Return this process's backend for `url`; nothing connects before it is used.

    Arguments:
        url: its scheme is one of :data:`BACKENDS`.
        timeout: seconds that one operation may take at most.

    Raises:
        ConfigurationError: if no backend knows the scheme.
    """
    return backend_class(url).from_url(url, timeout)


def backend_class(url: str) -> type[Backend]:
    """Return the class that knows the scheme of `url`.

    Raises:
        ConfigurationError: if there is none.
    """
    scheme = _scheme(url)
    if scheme not in BACKENDS:
        raise ConfigurationError(
            f"no store of locks for {without_password(url)!r}: "
            f"known schemes are {', '.join(sorted(BACKENDS))}"
        )
    module, _, name = BACKENDS[scheme].partition(":")
    found: type[Backend] = getattr(import_module(module), name)
    return found


def _scheme(url: str) -> str:
    scheme = urlsplit(url).scheme
    return _ALIASES.get(scheme, scheme)


# A client is never shared over a fork: the child opens its own.
os.register_at_fork(after_in_child=open_backend.cache_clear)
