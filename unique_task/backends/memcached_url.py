"""The servers that a URL of memcached names, in our words and in Celery's."""

from __future__ import annotations

import re

from ..exceptions import ConfigurationError
from .redis_url import without_password

PORT = 11211

_SERVER = re.compile(r"(?P<host>\[[^\]]+\]|[^:/\[\]]+)(:(?P<port>\d+))?")

Server = tuple[str, int] | str


def servers(url: str) -> list[Server]:
    """Return host and port of each server, or the path of its socket.

    >>> servers("cache+memcached://one;two:11212/")
    [('one', 11211), ('two', 11212)]

    Raises:
        ConfigurationError: if the URL makes no sense.
    """
    rest = url.partition("://")[2].partition("?")[0]
    return [_server(text, url) for text in rest.rstrip("/").split(";")]


def _server(text: str, url: str) -> Server:
    if text.startswith("/"):
        return text
    found = _SERVER.fullmatch(text)
    if found is None:
        raise ConfigurationError(
            f"the backend's URL {without_password(url)!r} cannot be read; say "
            "memcached://host:11211, memcached://one:11211;two:11211 or "
            "memcached:///path/to/socket"
        )
    return found["host"].strip("[]"), int(found["port"] or PORT)
