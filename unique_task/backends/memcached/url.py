"""Reads the servers from a URL of memcached, in our form and in Celery's."""

from __future__ import annotations

import re

from ...exceptions import ConfigurationError
from ..safe_names import without_password

PORT = 11211

# A name or an IPv4 address; or an IPv6 address.
_SERVER = re.compile(r"(?P<host>\[[\w:.%]+\]|[\w.-]+)(:(?P<port>\d+))?")

Server = tuple[str, int] | str


def servers(url: str) -> list[Server]:
    """Return host and port of each server, or the path of its socket.

    >>> servers("cache+memcached://one;two:11212/")
    [('one', 11211), ('two', 11212)]

    Raises:
        ConfigurationError: if the URL cannot be read.
    """
    rest, _, options = url.partition("://")[2].partition("?")
    found = [_server(text) for text in rest.rstrip("/").split(";")]
    if options or None in found or len(set(found)) < len(found):
        raise ConfigurationError(
            f"the backend's URL {without_password(url)!r} cannot be read; say "
            "memcached://host:11211, memcached://one:11211;two:11211 (each once) or "
            "memcached:///path/to/socket; there are no options, users and passwords"
        )
    return [server for server in found if server]


def _server(text: str) -> Server | None:
    if text.startswith("/"):
        return text
    found = _SERVER.fullmatch(text)
    if found is None:
        return None
    return found["host"].strip("[]"), int(found["port"] or PORT)
