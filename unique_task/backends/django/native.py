"""Finds the backend for the server of a Django cache, in Redis or memcached."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import redis
from django.core.exceptions import ImproperlyConfigured

from ...exceptions import ConfigurationError
from ..base import Backend
from ..redis.backend import RedisBackend
from ..redis.clients import connect_to_server
from ..registry import backend_class
from ..safe_names import QUOTING, without_password

#: Options for the server and the user; all others are for the way in which Django asks.
_REDIS_OPTIONS = {
    *("host", "port", "path", "db", "username", "password", "credential_provider"),
    *("connection_class", "socket_keepalive", "socket_keepalive_options"),
}

#: Options that our client of memcached does not have.
_MEMCACHED_OPTIONS = ("tls_context", "username", "password")

#: Pools that only keep connections to one server.
_PLAIN_POOLS = (redis.ConnectionPool, redis.BlockingConnectionPool)

#: A backend, and the URL of its server without password.
Native = tuple[Backend, str]

Unwrap = Callable[[Any, float], Native]


def kinds(thing: object) -> set[str]:
    """Return the full names of the classes of `thing`; it imports none of them."""
    return {f"{kind.__module__}.{kind.__qualname__}" for kind in type(thing).__mro__}


def native_store(cache: Any, timeout: float) -> Native | None:
    """Return the backend for the server of `cache`, None if that can hold no locks.

    Raises:
        ConfigurationError: if only the options of this cache keep it from that.
    """
    found = kinds(cache)
    for name, unwrap in _UNWRAP.items():
        if name in found:
            return _read(unwrap, cache, timeout)
    return None


def _read(unwrap: Unwrap, cache: Any, timeout: float) -> Native:
    try:
        return unwrap(cache, timeout)
    except ImproperlyConfigured as error:
        raise ConfigurationError(str(error)) from error
    except (ValueError, IndexError):
        # Without the cause, which may contain a part of the password.
        raise ConfigurationError(
            f"its LOCATION or OPTIONS do not say where its server is; {QUOTING}"
        ) from None


def _of_django(cache: Any, timeout: float) -> Native:
    # Django writes to the first server.
    url, options = cache._servers[0], cache._options
    client = cache._cache.get_client(None, write=True)
    own = type(client.connection_pool) in _PLAIN_POOLS
    return _redis(url, None if own else client, options, timeout)


def _of_django_redis(cache: Any, timeout: float) -> Native:
    client = cache.client
    if "django_redis.client.sharded.ShardClient" in kinds(client):
        raise ConfigurationError(
            "its ShardClient spreads keys over several servers, and a lock has to be "
            "on one: name a cache that is on one server"
        )
    url, factory = client._server[0], client.connection_factory
    if getattr(factory, "pool_cls", None) not in _PLAIN_POOLS:
        return _redis(url, client.get_client(write=True), {}, timeout)
    options = {**factory.make_connection_params(url), **factory.pool_cls_kwargs}
    return _redis(url, None, options, timeout)


def _redis(url: str, client: Any, options: Mapping[str, Any], timeout: float) -> Native:
    """Return a backend with a client of its own, under our time limits.

    Where the cache's pool has more to do, as with Sentinel, `client` is the cache's
    own, with its limits.
    """
    own = {name: value for name, value in options.items() if _is_place(name)}
    client = client or connect_to_server(url, timeout, **own)
    if not isinstance(client, redis.Redis):
        raise ConfigurationError(
            f"its client must be a redis.Redis; its class is {type(client).__name__}"
        )
    if client.connection_pool.connection_kwargs.get("decode_responses"):
        raise ConfigurationError(
            "its client decodes responses, and stored values are bytes: set "
            "decode_responses=False"
        )
    return RedisBackend(client=client), without_password(url)


def _is_place(option: str) -> bool:
    return option in _REDIS_OPTIONS or option.startswith("ssl_")


def _of_memcached(cache: Any, timeout: float) -> Native:
    odd = [name for name in _MEMCACHED_OPTIONS if cache._options.get(name)]
    if odd:
        raise ConfigurationError(
            f"locks in memcached cannot use {' and '.join(odd)}, which its OPTIONS "
            "have: remove them, or name another cache"
        )
    url = f"memcached://{';'.join(map(_server, cache._servers))}"
    backend = backend_class(url, "its servers").from_url(url, timeout)
    return backend, backend.name


def _server(server: Any) -> str:
    if isinstance(server, tuple):
        return ":".join(map(str, server))
    return str(server).strip().removeprefix("unix:")


#: Class of a cache -> the function that finds its backend.
_UNWRAP: dict[str, Unwrap] = {
    "django.core.cache.backends.redis.RedisCache": _of_django,
    "django_redis.cache.RedisCache": _of_django_redis,
    "django.core.cache.backends.memcached.BaseMemcachedCache": _of_memcached,
}
