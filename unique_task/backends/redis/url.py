"""The URLs of Redis as Celery spells them, for the client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

_SCHEMES = {"redis+socket": "unix", "valkey": "redis", "valkeys": "rediss"}
#: An option that redis-py reads as a number, or not at all; Celery has it as an enum.
LEAST_TLS = "ssl_min_version"

_OPTIONS = {"virtual_host": "db"}
_CERT_REQS = {
    "CERT_NONE": "none",
    "CERT_OPTIONAL": "optional",
    "CERT_REQUIRED": "required",
}


def client_url(url: str) -> str:
    """Return `url` as redis-py reads it, but for :data:`LEAST_TLS`.

    >>> client_url("redis+socket:///run/redis.sock?virtual_host=2")
    'unix:///run/redis.sock?db=2'
    """
    parts = urlsplit(url)
    options = {
        _OPTIONS.get(name, name): value for name, value in parse_qsl(parts.query)
    }
    options.pop(LEAST_TLS, None)
    if "ssl_cert_reqs" in options:
        value = options["ssl_cert_reqs"]
        options["ssl_cert_reqs"] = _CERT_REQS.get(value, value)
    scheme = _SCHEMES.get(parts.scheme, parts.scheme)
    # The two slashes are put by hand: urlunsplit drops them where there is no host.
    rest = urlunsplit(("", parts.netloc, parts.path, urlencode(options), ""))
    return f"{scheme}:{rest if parts.netloc else '//' + rest}"


def servers(url: str) -> tuple[list[str], dict[str, str]]:
    """Return the servers of a URL that may name several, and the options of all.

    >>> servers("sentinel://:sesame@one/2;sentinel://two:26380/2?master_name=shop")
    ([':sesame@one/2', 'two:26380/2'], {'master_name': 'shop'})
    """
    found, options = [], dict[str, str]()
    for part in url.split(";"):
        server, _, query = (part.partition("://")[2] or part).partition("?")
        found.append(server)
        options.update(parse_qsl(query))
    if url.startswith("rediss+"):
        options["ssl"] = "true"
    return found, options


def server_url(server: str, options: Mapping[str, str]) -> str:
    """Return the URL of one of them; the option ``ssl`` stands for its scheme."""
    others = dict(options)
    tls = others.pop("ssl", "").lower() in ("true", "yes", "1")
    return f"{'rediss' if tls else 'redis'}://{server}?{urlencode(others)}"


def with_transport_options(url: str, options: Mapping[str, Any] | None) -> str:
    """Return `url` with what Celery keeps beside the URLs of Sentinels."""
    options = options or {}
    if not url.startswith("sentinel://") or "master_name=" in url:
        return url
    own = options.get("sentinel_kwargs") or {}
    told = {f"sentinel_{name}": value for name, value in own.items()}
    for name in ("master_name", "min_other_sentinels"):
        told[name] = options.get(name)
    return _with_options(url, told)


def with_tls(url: str, options: Mapping[str, Any] | bool | None) -> str:
    """Return `url` with what Celery keeps beside the URLs of servers with TLS.

    Behind Sentinels that is for the master: what they are asked by, their own
    ``sentinel_kwargs`` tell.

    >>> with_tls("redis://host/0", {"ssl_cert_reqs": ssl.CERT_NONE})
    'rediss://host/0?ssl_cert_reqs=CERT_NONE'
    """
    scheme, _, rest = url.partition("://")
    if not options or scheme not in ("redis", "rediss", "sentinel"):
        return url
    told = options if isinstance(options, Mapping) else {}
    if scheme == "sentinel":
        return _with_options(url, {"ssl": True, **told})
    return _with_options(f"rediss://{rest}", told)


def _with_options(url: str, options: Mapping[str, Any]) -> str:
    """Return `url` with more options, of which None says nothing."""
    query = urlencode(
        {k: getattr(v, "name", v) for k, v in options.items() if v is not None}
    )
    # Of several servers, the last one may have none yet.
    between = "&" if "?" in url.rpartition(";")[2] else "?"
    return f"{url}{between}{query}" if query else url
