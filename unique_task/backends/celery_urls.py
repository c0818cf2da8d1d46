"""Writes the options that Celery keeps beside a URL of Redis into the URL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode


def with_transport_options(url: str, options: Mapping[str, Any] | None) -> str:
    """Return `url` with the options that Celery keeps beside URLs of Sentinels."""
    options = options or {}
    if not url.startswith("sentinel://") or "master_name=" in url:
        return url
    own = options.get("sentinel_kwargs") or {}
    added = {f"sentinel_{name}": value for name, value in own.items()}
    for name in ("master_name", "min_other_sentinels"):
        added[name] = options.get(name)
    return _with_options(url, added)


def with_tls(url: str, options: Mapping[str, Any] | bool | None) -> str:
    """Return `url` with the TLS options that Celery keeps beside it.

    Behind Sentinels they are for the master; connections to the Sentinels themselves
    take theirs from ``sentinel_kwargs``.

    >>> import ssl
    >>> with_tls("redis://host/0", {"ssl_cert_reqs": ssl.CERT_NONE})
    'rediss://host/0?ssl_cert_reqs=CERT_NONE'
    """
    scheme, _, rest = url.partition("://")
    if not options or scheme not in ("redis", "rediss", "sentinel"):
        return url
    added = options if isinstance(options, Mapping) else {}
    if scheme == "sentinel":
        return _with_options(url, {"ssl": True, **added})
    return _with_options(f"rediss://{rest}", added)


def _with_options(url: str, options: Mapping[str, Any]) -> str:
    """Return `url` with more options; None leaves one out."""
    query = urlencode(
        {k: getattr(v, "name", v) for k, v in options.items() if v is not None}
    )
    # The last of several servers may have no options yet.
    between = "&" if "?" in url.rpartition(";")[2] else "?"
    return f"{url}{between}{query}" if query else url
