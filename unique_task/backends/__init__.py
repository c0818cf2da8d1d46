"""Where locks live: from a URL to a backend."""

from __future__ import annotations

from importlib import import_module
from threading import Lock

from ..exceptions import ConfigurationError
from ..forks import in_forks
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


_opened: dict[tuple[str, float], Backend] = {}
_mutex = Lock()


def open_backend(url: str, timeout: float) -> Backend:
    """Return this process's backend for `url`; nothing connects before it is used.

    Arguments:
        url: its scheme is one of :data:`BACKENDS`.
        timeout: seconds that one operation may take at most.

    Raises:
        ConfigurationError: if no backend knows the scheme.
    """
    backend = _opened.get((url, timeout))
    if backend is not None:
        return backend
    # One for all threads: two stores in memory would be two locks for one key.
    with _mutex:
        kind = backend_class(url)
        same = (url, timeout if kind.shared else 0.0)
        if same not in _opened:
            _opened[same] = kind.from_url(url, timeout)
        return _opened.setdefault((url, timeout), _opened[same])


def _forget_opened() -> None:
    """Start anew in a fork: a client is never shared with the parent."""
    global _mutex
    _mutex = Lock()
    _opened.clear()


def backend_class(url: str, name: str = "unique_backend") -> type[Backend]:
    """Return the class that knows the scheme of `url`.

    Arguments:
        name: of the option or setting, for the error.

    Raises:
        ConfigurationError: if there is none.
    """
    scheme = _scheme(url)
    if scheme not in BACKENDS:
        raise ConfigurationError(
            f"{name}={without_password(url)!r}: no store of locks has such URLs; "
            f"known schemes are {', '.join(sorted(BACKENDS))}"
        )
    module, _, name = BACKENDS[scheme].partition(":")
    found: type[Backend] = getattr(import_module(module), name)
    return found


def _scheme(url: str) -> str:
    if ";" in url:  # several servers, of which Celery takes one that answers
        return ""
    scheme = url.partition("://")[0]
    return _ALIASES.get(scheme, scheme)


in_forks(_forget_opened)
