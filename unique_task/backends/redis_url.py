"""The URLs of Redis as Celery spells them, for the client."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

_SCHEMES = {"redis+socket": "unix", "valkey": "redis", "valkeys": "rediss"}
_OPTIONS = {"virtual_host": "db"}
_CERT_REQS = {
    "CERT_NONE": "none",
    "CERT_OPTIONAL": "optional",
    "CERT_REQUIRED": "required",
}


def client_url(url: str) -> str:
    """Return `url` as redis-py reads it.

    >>> client_url("redis+socket:///run/redis.sock?virtual_host=2")
    'unix:///run/redis.sock?db=2'
    """
    parts = urlsplit(url)
    options = {
        _OPTIONS.get(name, name): value for name, value in parse_qsl(parts.query)
    }
    if "ssl_cert_reqs" in options:
        value = options["ssl_cert_reqs"]
        options["ssl_cert_reqs"] = _CERT_REQS.get(value, value)
    scheme = _SCHEMES.get(parts.scheme, parts.scheme)
    # The two slashes are put by hand: urlunsplit drops them where there is no host.
    rest = urlunsplit(("", parts.netloc, parts.path, urlencode(options), ""))
    return f"{scheme}:{rest if parts.netloc else '//' + rest}"


def without_password(url: str) -> str:
    """Return `url` as it may stand in a log."""
    # Up to the last "@", because a password may hold any character; options may be one.
    shown = url.partition("?")[0]
    return re.sub(r"^([\w+.-]+://)?([^:/@]*:)?.*@", r"\1\2**@", shown)
