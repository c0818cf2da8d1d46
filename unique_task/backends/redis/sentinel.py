"""A client of the Redis master, whose address the Sentinels know."""

from __future__ import annotations

from typing import Any

import redis
from redis.sentinel import Sentinel

from ...exceptions import ConfigurationError
from ..safe_names import without_password
from .connections import PARTS, TimedClient, of_master, timed
from .url import (
    Options,
    address,
    client_of,
    database,
    hurry,
    options_of,
    server_url,
    servers,
)

PORT = 26379

_OTHERS = "min_other_sentinels"

# redis-py gives it no types.
_SENTINEL: Any = Sentinel


def connect_to_master(url: str, timeout: float) -> tuple[TimedClient, Options]:
    """Return a client of the master that `url` names, and its options.

    Raises:
        ConfigurationError: if `url` names no master, or cannot be read.
    """
    found, options = servers(url)
    name, others = options.pop("master_name", ""), options.pop(_OTHERS, "0")
    if not (name and others.isdigit()):
        raise ConfigurationError(_complaint(name, url))
    own = _take(options, "sentinel_")
    master = options_of(server_url(found[0], options), url)
    hurry(master, timeout / PARTS)
    master["connection_class"] = of_master(master["connection_class"])
    connection = {k: v for k, v in master.items() if k not in ("host", "port")}
    sentinel: Any = _SENTINEL([], int(others))
    sentinel.sentinels = [_sentinel(server, own, url, timeout) for server in found]
    return TimedClient(sentinel.master_for(name, **connection), timeout), connection


def _complaint(name: str, url: str) -> str:
    if name:
        return f"{without_password(url)}: {_OTHERS} must be a number"
    return (
        f"{without_password(url)} names no master: add it, as in "
        "sentinel://host:26379/0?master_name=mymaster, or set master_name in the "
        "transport options of the result backend or broker that has this URL"
    )


def master_of(pool: Any) -> str:
    """Return a text that tells the master of a pool and its database from others."""
    sentinels = [known.connection_pool for known in pool.sentinel_manager.sentinels]
    known = ",".join(sorted(address(each.connection_kwargs) for each in sentinels))
    return f"{pool.service_name}@{known}/{database(pool.connection_kwargs)}"


def _sentinel(
    server: str, own: dict[str, str], url: str, timeout: float
) -> redis.Redis:
    """Return a client of a Sentinel, which has a login of its own."""
    host = server.rpartition("@")[2].partition("/")[0]
    options = options_of(server_url(host, own), url)
    options.setdefault("port", PORT)
    options["connection_class"] = timed(options["connection_class"])
    hurry(options, timeout / PARTS, retries=0)
    return client_of(options)


def _take(options: dict[str, str], prefix: str) -> dict[str, str]:
    """Move the options with `prefix` out of `options`, without the prefix."""
    names = [name for name in options if name.startswith(prefix)]
    return {name.removeprefix(prefix): options.pop(name) for name in names}
