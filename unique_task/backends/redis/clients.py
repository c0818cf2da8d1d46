"""From a URL of Redis to a client: of one server, of Sentinels, or of a Cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import redis
from redis.cluster import RedisCluster

from ...exceptions import ConfigurationError
from ..turns import CONNECTIONS
from .cluster import ClusterClient, connect_to_cluster
from .connections import TimedClient, noting
from .scripts import Eval, eval_all
from .sentinel import connect_to_master, master_of
from .url import client_of, hurry, options_of, place


class Found(NamedTuple):
    """A client, and what is to be known of it.

    Attributes:
        client: has the methods `eval` and `evalsha` of redis-py's.
        eval_all: sends many scripts at once; an error is an answer, too.
        identity: what tells its store from others.
        options: of its connections.
        replicated: whether others take over what it has when it is away.
    """

    client: Any
    eval_all: Callable[[Sequence[Eval]], list[Any]]
    identity: str
    options: Mapping[str, Any]
    replicated: bool = False

    def asked(self, question: Callable[[Any], list[str]]) -> list[str]:
        """Return what redis-py's own client answers, in the time of an operation."""
        timed = isinstance(self.client, (TimedClient, ClusterClient))
        return self.client.ask(question) if timed else question(self.client)

    @property
    def connections(self) -> int:
        """How many of them one process may have, and at most as many as we use."""
        return min(self.options.get("max_connections") or CONNECTIONS, CONNECTIONS)


def connect(url: str, timeout: float) -> Found:
    """Return a client for `url`; nothing connects before it is used.

    Raises:
        ConfigurationError: if the URL makes no sense.
    """
    scheme = url.partition("://")[0]
    if scheme == "sentinel":
        return _of_master(*connect_to_master(url, timeout))
    if scheme.endswith("+cluster"):
        return _of_cluster(*connect_to_cluster(url, timeout))
    return adopt(connect_to_server(url, timeout), timeout)


def connect_to_server(url: str, timeout: float, **own: Any) -> redis.Redis:
    """Return a client of one server.

    Arguments:
        own: options of its connections, which the URL does not have.
    """
    options = {**options_of(url, url), **own}
    options["connection_class"] = noting(options["connection_class"])
    # To connect, to log in, to choose the database, to be answered: each has its part.
    steps = 2 + bool(options.get("password")) + bool(options.get("db"))
    hurry(options, timeout / steps)
    return client_of(options)


def adopt(client: Any, timeout: float) -> Found:
    """Return the same for a client that was made elsewhere.

    Raises:
        ConfigurationError: if it is none that several processes can use.
    """
    _check(client)
    if isinstance(client, RedisCluster):
        own: Any = client
        # Before redis-py 8: all of the nodes, as it forgets which it was told.
        first = getattr(own, "startup_nodes", own.nodes_manager.startup_nodes.values())
        nodes = [node.name for node in first]
        cluster = ClusterClient(lambda: own, timeout, nodes)
        return _of_cluster(cluster, own.get_connection_kwargs())
    pool = client.connection_pool
    options = {"max_connections": pool.max_connections, **pool.connection_kwargs}
    if hasattr(pool, "sentinel_manager"):
        return _of_master(TimedClient(client, timeout), options)
    return Found(client, partial(eval_all, client), place(options), options)


def _check(client: object) -> None:
    kinds = (redis.Redis, RedisCluster)
    pipelines = (redis.client.Pipeline, redis.cluster.ClusterPipeline)
    if not isinstance(client, kinds) or isinstance(client, pipelines):
        raise ConfigurationError(
            f"client= must be a redis.Redis or a redis.RedisCluster, not a "
            f"{type(client).__module__}.{type(client).__qualname__}"
        )
    if getattr(client, "connection", None) is not None:
        raise ConfigurationError(
            "client= has one connection, which the forks of a process would share: "
            "pass one without single_connection_client"
        )


def _of_master(client: TimedClient, options: Mapping[str, Any]) -> Found:
    identity = master_of(client.client.connection_pool)
    return Found(client, client.eval_all, identity, options, True)


def _of_cluster(client: ClusterClient, options: Mapping[str, Any]) -> Found:
    identity = f"cluster@{','.join(client.nodes)}"
    return Found(client, client.eval_all, identity, options, True)
