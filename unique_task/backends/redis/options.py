"""From the URL of a Redis server to the options of a connection to it."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ...exceptions import ConfigurationError
from ..safe_names import QUOTING, without_password
from .url import LEAST_TLS, client_url

#: What keeps the client from telling the server its name; redis-py 7 renamed it.
_NAMELESS: dict[str, Any] = (
    {"driver_info": None}
    if find_spec("redis.driver_info")
    else {"lib_name": None, "lib_version": None}
)

Options = dict[str, Any]


def options_of(server: str, url: str) -> Options:
    """Return the options that the URL of one `server` holds.

    Version 2 of the protocol and a client without a name spare the answers to two
    questions on each new connection.

    Arguments:
        url: the whole of it, for the error.

    Raises:
        ConfigurationError: if it makes no sense.
    """
    try:
        pool = redis.ConnectionPool.from_url(
            client_url(server), protocol=2, **_NAMELESS
        )
        version = dict(parse_qsl(urlsplit(server).query)).get(LEAST_TLS)
        if version is not None:
            pool.connection_kwargs[LEAST_TLS] = ssl.TLSVersion[version]
        pool.make_connection()
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


def hurry(options: Options, step: float, retries: int = 1) -> None:
    """Give each step of a connection so many seconds, where the URL does not.

    A connection that the server closed is tried once more; a late answer is not waited
    for again.
    """
    options["retry"] = Retry(
        NoBackoff(), retries, supported_errors=(redis.ConnectionError,)
    )
    # Before redis-py 6, else only what is found when a connection is taken up again.
    options["retry_on_error"] = [redis.ConnectionError] if retries else []
    for name in ("socket_connect_timeout", "socket_timeout"):
        options.setdefault(name, step)


def client_of(options: Options) -> redis.Redis:
    """Return a client of one server."""
    client = redis.Redis(connection_pool=redis.ConnectionPool(**options))
    client.auto_close_connection_pool = True
    return client


def address(options: Mapping[str, Any], port: int = 6379) -> str:
    return f"{options.get('host', 'localhost')}:{options.get('port', port)}"


def place(options: Mapping[str, Any]) -> str:
    """Return what tells a server and its database from others."""
    return f"{options.get('path') or address(options)}/{database(options)}"


def database(options: Mapping[str, Any]) -> int:
    return int(options.get("db") or 0)
