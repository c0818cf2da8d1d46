"""URLs of Django's caches."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote

from ...exceptions import ConfigurationError

SCHEME = "django-cache"

_UNSAFE = {"true": True, "false": False}


def cache_url(alias: str) -> str:
    """Return the URL of the cache `alias`."""
    return f"{SCHEME}://{alias}"


def alias_of(url: str) -> tuple[str, bool]:
    """Return the alias of a cache, and whether unsafe locks are allowed there.

    >>> alias_of("django-cache://locks?unsafe=true")
    ('locks', True)
    >>> alias_of("django-cache://")
    ('default', False)

    Raises:
        ConfigurationError: if the URL cannot be read.
    """
    alias, _, query = url.partition("://")[2].partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    unsafe = _UNSAFE.get(options.pop("unsafe", "false").lower())
    if options or unsafe is None:
        raise ConfigurationError(
            f"the backend's URL {cache_url(alias)}?... cannot be read; its only option "
            "is ?unsafe=true"
        )
    return unquote(alias.rstrip("/")) or "default", unsafe
