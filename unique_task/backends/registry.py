"""Where locks live: from a URL to a backend."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from threading import Lock

from ..exceptions import ConfigurationError
from ..forks import in_forks
from .base import Backend
from .extras import EXTRAS, advice
from .safe_names import without_password

#: Group of entry points by which other packages add backends: scheme = module:class.
ENTRY_POINTS = "unique_task.backends"

_REDIS = "unique_task.backends.redis:RedisBackend"
_SQL = "unique_task.backends.sql:SQLBackend"
_MEMCACHED = "unique_task.backends.memcached:MemcachedBackend"
_DJANGO = "unique_task.backends.django:DjangoCacheBackend"

#: Scheme of a URL -> class, imported when it is needed.
BACKENDS = {
    "memory": "unique_task.backends.memory:MemoryBackend",
    "redis": _REDIS,
    "rediss": _REDIS,
    "redis+socket": _REDIS,
    "redis+cluster": _REDIS,
    "rediss+cluster": _REDIS,
    "sentinel": _REDIS,
    "valkey": _REDIS,
    "valkeys": _REDIS,
    "postgresql": _SQL,
    "mysql": _SQL,
    "mariadb": _SQL,
    "sqlite": _SQL,
    "memcached": _MEMCACHED,
    "django-cache": _DJANGO,
}

#: Schemes of stores that are several servers.
_SEVERAL = {"memcached", "sentinel", "redis+cluster", "rediss+cluster"}

#: What stands between the URLs of several servers; or after the login of the first, and
#: not in the path of a file.
_NEXT_URL = re.compile(r";[\w+]+://")
_NEXT_HOST = re.compile(r";[^;@]*\Z")

#: Celery's names for stores that it has for results, and one of SQLAlchemy's past.
_ALIASES = {
    "cache+memory": "memory",
    "cache+memcached": "memcached",
    "cache+memcache": "memcached",
    "cache+pymemcache": "memcached",
    "cache+pylibmc": "memcached",
    "postgres": "postgresql",
}


def can_hold_locks(url: str) -> bool:
    """Tell whether a lock can live where `url` points to."""
    # Without "://" it is a name of Celery's: "django-cache" keeps results, no locks.
    return "://" in url and _scheme(url) in known_schemes()


def is_local(url: str) -> bool:
    """Tell whether what `url` points to is of one process or one host."""
    return _scheme(url) in ("memory", "sqlite")


@lru_cache(maxsize=1)
def known_schemes() -> dict[str, str]:
    """Return all schemes and their classes, with those of other packages."""
    found: dict[str, str] = {
        point.name: point.value for point in _added() if point.name not in BACKENDS
    }
    return {**BACKENDS, **found}


def _added() -> list[EntryPoint]:
    return list(entry_points(group=ENTRY_POINTS))


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
    scheme, known = _scheme(url), known_schemes()
    if scheme not in known:
        raise ConfigurationError(
            f"{name}={without_password(url)!r}: no store of locks has such URLs; "
            f"known schemes are {', '.join(sorted(known))}; those of other stores than "
            "Redis need an extra: pip install unique_task[postgresql], [mysql], "
            "[sqlalchemy] for SQLite, [memcached] or [django]"
        )
    module, _, attribute = known[scheme].partition(":")
    try:
        found: type[Backend] = getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        if scheme not in EXTRAS:
            raise
        raise ConfigurationError(
            f"{name}={without_password(url)!r}: the module {error.name} is missing; "
            f"{advice(scheme)}"
        ) from error
    return found


def _scheme(url: str) -> str:
    scheme = url.partition("://")[0]
    if scheme not in known_schemes():
        scheme = _ALIASES.get(scheme) or _without_driver(scheme)
    # Several servers, of which Celery takes one that answers: locks need all the same.
    return "" if _names_several(url) and scheme not in _SEVERAL else scheme


def _names_several(url: str) -> bool:
    if _NEXT_URL.search(url):
        return True
    is_file = url.startswith(("sqlite", "db+sqlite"))
    return not is_file and _NEXT_HOST.search(url) is not None


def _without_driver(scheme: str) -> str:
    """Return the scheme of a database without Celery's prefix and SQLAlchemy's driver.

    Of others, a part behind a plus sign is not for us to leave out.
    """
    bare = scheme.removeprefix("db+").partition("+")[0]
    bare = _ALIASES.get(bare, bare)
    return bare if BACKENDS.get(bare) == _SQL else scheme


in_forks(_forget_opened)
