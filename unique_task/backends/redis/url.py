"""From a URL of Redis, as Celery spells it, to the options of its connections."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ...exceptions import ConfigurationError
from ..safe_names import QUOTING, without_password

Options = dict[str, Any]

#: Celery's words -> redis-py's.
_SCHEMES = {"redis+socket": "unix", "valkey": "redis", "valkeys": "rediss"}
_OPTIONS = {"virtual_host": "db"}
_CERT_REQS = {
    "CERT_NONE": "none",
    "CERT_OPTIONAL": "optional",
    "CERT_REQUIRED": "required",
}

#: Celery takes an enum for it. redis-py reads a number, or nothing.
_LEAST_TLS = "ssl_min_version"

#: Options that keep the client from sending its name; redis-py 7 renamed them.
_NAMELESS: dict[str, Any] = (
    {"driver_info": None}
    if find_spec("redis.driver_info")
    else {"lib_name": None, "lib_version": None}
)


def client_url(url: str) -> str:
    """Return `url` as redis-py reads it, without :data:`_LEAST_TLS`.

    >>> client_url("redis+socket:///run/redis.sock?virtual_host=2")
    'unix:///run/redis.sock?db=2'
    """
    parts = urlsplit(url)
    options = {
        _OPTIONS.get(name, name): value for name, value in parse_qsl(parts.query)
    }
    options.pop(_LEAST_TLS, None)
    if "ssl_cert_reqs" in options:
        value = options["ssl_cert_reqs"]
        options["ssl_cert_reqs"] = _CERT_REQS.get(value, value)
    scheme = _SCHEMES.get(parts.scheme, parts.scheme)
    # urlunsplit drops the two slashes where there is no host.
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
    """Return the URL of one `server`; the option ``ssl`` becomes its scheme."""
    others = dict(options)
    tls = others.pop("ssl", "").lower() in ("true", "yes", "1")
    return f"{'rediss' if tls else 'redis'}://{server}?{urlencode(others)}"


def options_of(server: str, url: str) -> Options:
    """Return the options of the connections to one `server`.

    Version 2 of the protocol and a client without a name save questions on each new
    connection. With TLS the name stays: see :func:`_pool_of`.

    Arguments:
        server: URL of the server.
        url: the user's URL, for errors.

    Raises:
        ConfigurationError: if redis-py does not take the URL.
    """
    try:
        pool = _pool_of(server)
    except (TypeError, KeyError, redis.RedisError) as error:
        raise ConfigurationError(
            f"the backend's URL {without_password(url)!r} cannot be used: {error}"
        ) from error
    except ValueError:
        # Without the cause, which may show a part of the password.
        raise ConfigurationError(
            f"the backend's URL {without_password(url)!r} cannot be read; {QUOTING}"
        ) from None
    return {
        "connection_class": pool.connection_class,
        "max_connections": pool.max_connections,
        **pool.connection_kwargs,
    }


def _pool_of(server: str) -> redis.ConnectionPool:
    url = client_url(server)
    # With TLS 1.3 a server says something unasked on each new connection. The client
    # takes that for an answer, unless it has read one to its name before.
    name = {} if url.startswith("rediss:") else _NAMELESS
    pool = redis.ConnectionPool.from_url(url, protocol=2, **name)
    version = dict(parse_qsl(urlsplit(server).query)).get(_LEAST_TLS)
    if version is not None:
        pool.connection_kwargs[_LEAST_TLS] = ssl.TLSVersion[version]
    pool.make_connection()  # which checks the options, and does not connect
    return pool


def hurry(options: Options, step: float, retries: int = 1) -> None:
    """Bound each step of a connection to `step` seconds, unless the URL does.

    The client tries again if the server closed the connection, but not if an answer is
    late.
    """
    options["retry"] = Retry(
        NoBackoff(), retries, supported_errors=(redis.ConnectionError,)
    )
    # redis-py before 6 otherwise retries only while it takes up a connection again.
    options["retry_on_error"] = [redis.ConnectionError] if retries else []
    for name in ("socket_connect_timeout", "socket_timeout"):
        options.setdefault(name, step)


def client_of(options: Options) -> redis.Redis:
    """Return a client of one server, with a pool of its own."""
    client = redis.Redis(connection_pool=redis.ConnectionPool(**options))
    client.auto_close_connection_pool = True
    return client


def address(options: Mapping[str, Any], port: int = 6379) -> str:
    return f"{options.get('host', 'localhost')}:{options.get('port', port)}"


def place(options: Mapping[str, Any]) -> str:
    """Return a text that tells a server and its database from others."""
    return f"{options.get('path') or address(options)}/{database(options)}"


def database(options: Mapping[str, Any]) -> int:
    return int(options.get("db") or 0)
