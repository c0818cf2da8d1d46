"""Finds and opens the backend for a URL."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from threading import Lock

from ..exceptions import ConfigurationError
from ..forks import in_forks
from .base import Backend
from .safe_names import without_password

#: Group of entry points by which other packages add backends: scheme = module:class.
ENTRY_POINTS = "unique_task.backends"

_REDIS = "unique_task.backends.redis:RedisBackend"
_SQL = "unique_task.backends.sql:SQLBackend"
_MEMCACHED = "unique_task.backends.memcached:MemcachedBackend"
_DJANGO = "unique_task.backends.django.backend:DjangoCacheBackend"
_DJANGO_DB = "unique_task.backends.django.database:DjangoDatabaseBackend"

#: Scheme of a URL -> class, imported on first use.
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
    "django-db": _DJANGO_DB,
}

#: Scheme of a URL, without a driver -> the extra that installs all that it needs.
EXTRAS = {
    "postgresql": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
    "sqlite": "sqlalchemy",
    "memcached": "memcached",
    "django-cache": "django",
    "django-db": "django",
}

_LIBPQ = "; where PostgreSQL's library libpq is missing: pip install 'psycopg[binary]'"

#: Schemes of stores that are several servers.
_SEVERAL = {"memcached", "sentinel", "redis+cluster", "rediss+cluster"}

#: Separates the URLs of several servers; or their hosts, after the login of the first
#: and not in the path of a file.
_NEXT_URL = re.compile(r";[\w+]+://")
_NEXT_HOST = re.compile(r";[^;@]*\Z")

#: Celery's schemes for result backends, and an old one of SQLAlchemy.
_ALIASES = {
    "cache+memory": "memory",
    "cache+memcached": "memcached",
    "cache+memcache": "memcached",
    "cache+pymemcache": "memcached",
    "cache+pylibmc": "memcached",
    "postgres": "postgresql",
}


def can_hold_locks(url: str) -> bool:
    """Tell whether a backend knows the scheme of `url`."""
    # Without "://" it is one of Celery's names: "django-cache" keeps results, no locks.
    return "://" in url and _scheme(url) in known_schemes()


def is_local(url: str) -> bool:
    """Tell whether only one process or one host can use the store of `url`."""
    return _scheme(url) in ("memory", "sqlite")


@lru_cache(maxsize=1)
def known_schemes() -> dict[str, str]:
    """Return all schemes and their classes, also those that other packages add."""
    found: dict[str, str] = {
        point.name: point.value for point in _added() if point.name not in BACKENDS
    }
    return {**BACKENDS, **found}


def _added() -> list[EntryPoint]:
    return list(entry_points(group=ENTRY_POINTS))


_opened: dict[tuple[str, float], Backend] = {}
_mutex = Lock()


def open_backend(url: str, timeout: float) -> Backend:
    """Return this process's backend for `url`; it connects on first use.

    Arguments:
        timeout: seconds that one operation may take at most.

    Raises:
        ConfigurationError: if no backend knows the scheme, or cannot read the URL.
    """
    backend = _opened.get((url, timeout))
    if backend is not None:
        return backend.current()
    # All threads share one: two stores in memory would be two locks for one key.
    with _mutex:
        kind = backend_class(url)
        same = (url, timeout if kind.shared else 0.0)
        if same not in _opened:
            _opened[same] = kind.from_url(url, timeout)
        return _opened.setdefault((url, timeout), _opened[same]).current()


def _forget_opened() -> None:
    """Start anew in a fork, which must not share a client with its parent."""
    global _mutex
    _mutex = Lock()
    _opened.clear()


def check_is_backend(name: str, value: object) -> None:
    """Raise ConfigurationError if `value` is no URL and no backend.

    Arguments:
        name: of the option or setting, for the error.
    """
    if not isinstance(value, (str, Backend)):
        raise ConfigurationError(
            f"{name}={without_password(repr(value))}: must be a URL or a Backend object"
        )


def backend_class(url: str, name: str = "unique_backend") -> type[Backend]:
    """Return the class that knows the scheme of `url`.

    Arguments:
        name: of the option or setting, for the error.

    Raises:
        ConfigurationError: if no class knows it, or its driver is missing.
    """
    scheme = _scheme(url)
    module, _, attribute = _class_name(scheme, url, name).partition(":")
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


def _class_name(scheme: str, url: str, name: str) -> str:
    known = known_schemes()
    if scheme not in known:
        raise ConfigurationError(
            f"{name}={without_password(url)!r}: no store of locks has such URLs; "
            f"known schemes are {', '.join(sorted(known))}; those of other stores than "
            "Redis need an extra: pip install unique_task[postgresql], [mysql], "
            "[sqlalchemy] for SQLite, [memcached] or [django]"
        )
    return known[scheme]


def advice(scheme: str) -> str:
    """Return what to install for a store of this scheme whose driver is missing."""
    more = _LIBPQ if scheme == "postgresql" else ""
    return f"pip install 'unique_task[{EXTRAS[scheme]}]'{more}"


def _scheme(url: str) -> str:
    scheme = url.partition("://")[0]
    if scheme not in known_schemes():
        scheme = _ALIASES.get(scheme) or _without_driver(scheme)
    # Of several servers, Celery takes one that answers; all locks must be in one place.
    return "" if _names_several(url) and scheme not in _SEVERAL else scheme


def _names_several(url: str) -> bool:
    if _NEXT_URL.search(url):
        return True
    is_file = url.startswith(("sqlite", "db+sqlite"))
    return not is_file and _NEXT_HOST.search(url) is not None


def _without_driver(scheme: str) -> str:
    """Return the scheme of a database without Celery's prefix and SQLAlchemy's driver.

    Other schemes stay as they are: there, a part behind a plus sign has a meaning.
    """
    bare = scheme.removeprefix("db+").partition("+")[0]
    bare = _ALIASES.get(bare, bare)
    return bare if BACKENDS.get(bare) == _SQL else scheme


in_forks(_forget_opened)
