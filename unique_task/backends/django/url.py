"""URLs of Django's caches and databases."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote

from ...exceptions import ConfigurationError

SCHEME = "django-cache"
DATABASE_SCHEME = "django-db"

_UNSAFE = {"true": True, "false": False}


def cache_url(alias: str) -> str:
    """Return the URL of the cache `alias`."""
    return f"{SCHEME}://{alias}"


def database_url(alias: str) -> str:
    """Return the URL of the database `alias`."""
    return f"{DATABASE_SCHEME}://{alias}"


def alias_of(url: str) -> tuple[str, bool]:
    """Return the alias of a cache, and whether unsafe locks are allowed there.

    >>> alias_of("django-cache://locks?unsafe=true")
    ('locks', True)
    >>> alias_of("django-cache://")
    ('default', False)

    Raises:
        ConfigurationError: if the URL cannot be read.
    """
    alias, query = _parts(url)
    options = dict(parse_qsl(query, keep_blank_values=True))
    unsafe = _UNSAFE.get(options.pop("unsafe", "false").lower())
    if options or unsafe is None:
        raise ConfigurationError(
            f"the backend's URL {cache_url(alias)}?... cannot be read; its only option "
            "is ?unsafe=true"
        )
    return alias, unsafe


def database_alias_of(url: str) -> str:
    """Return the alias of a database.

    >>> database_alias_of("django-db://locks")
    'locks'
    >>> database_alias_of("django-db://")
    'default'

    Raises:
        ConfigurationError: if the URL cannot be read.
    """
    alias, query = _parts(url)
    if query:
        raise ConfigurationError(
            f"the backend's URL {database_url(alias)}?... cannot be read; it takes no "
            "options: write them into DATABASES"
        )
    return alias


def _parts(url: str) -> tuple[str, str]:
    alias, _, query = url.partition("://")[2].partition("?")
    return unquote(alias.rstrip("/")) or "default", query
