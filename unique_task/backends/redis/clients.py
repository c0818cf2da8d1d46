"""Opens a client of one Redis server, of Sentinels or of a Cluster, from a URL."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import redis
from redis.cluster import RedisCluster

from ...exceptions import ConfigurationError
from ..safe_names import without_password
from ..turns import CONNECTIONS
from .cluster import ClusterClient, connect_to_cluster
from .connections import PlainClient, TimedClient, noting
from .direct import DirectClient
from .script import Eval
from .sentinel import connect_to_master, master_of
from .url import client_of, hurry, options_of, place

Answer = TypeVar("Answer")

#: Options of a URL that only redis-py's own way of asking knows.
_OF_CLIENT = ("health_check_interval", "retry_on_timeout", "encoding")


class Driver(Protocol):
    """Asks servers, each of our kinds of clients in its own way."""

    def evalsha(self, *args: Any) -> Any: ...

    def eval(self, *args: Any) -> Any: ...

    def eval_all(self, evals: Sequence[Eval]) -> list[Any]:
        """Send many scripts at once; an error is an answer, too."""

    def ask(self, question: Callable[[Any], Answer]) -> Answer:
        """Ask redis-py's own client, within the time of an operation."""


class Client(NamedTuple):
    """A client of Redis, with all that the backend has to know of it.

    Attributes:
        driver: through which it is asked.
        identity: tells its store from others.
        name: of the store, for people.
        options: of its connections.
        replicated: whether other servers take over its keys when it is away.
    """

    driver: Driver
    identity: str
    name: str
    options: Mapping[str, Any]
    replicated: bool = False

    @property
    def connections(self) -> int:
        """Return how many connections we use at most in one process."""
        return min(self.options.get("max_connections") or CONNECTIONS, CONNECTIONS)


def connect(url: str, timeout: float) -> Client:
    """Return a client for `url`, which connects at its first use.

    Raises:
        ConfigurationError: if `url` is not a URL of Redis.
    """
    client = _connected(url, timeout)._replace(name=without_password(url))
    _refuse_decoding(client)
    return client


def _connected(url: str, timeout: float) -> Client:
    scheme = url.partition("://")[0]
    if scheme == "sentinel":
        return _of_master(*connect_to_master(url, timeout))
    if scheme.endswith("+cluster"):
        return _of_cluster(*connect_to_cluster(url, timeout))
    server = connect_to_server(url, timeout)
    client = _adopted(server, timeout)
    if any(client.options.get(name) for name in _OF_CLIENT):
        return client
    return client._replace(driver=DirectClient(server))


def connect_to_server(url: str, timeout: float, **own: Any) -> redis.Redis:
    """Return a client of one server.

    Arguments:
        own: options of its connections that `url` does not have.
    """
    options = {**options_of(url, url), **own}
    options["connection_class"] = noting(options["connection_class"])
    # One part each: to connect, to log in, to choose the database, to be answered; and
    # two to tell the name of the client, with TLS.
    named = issubclass(options["connection_class"], redis.SSLConnection)
    steps = 2 + bool(options.get("password")) + bool(options.get("db")) + 2 * named
    hurry(options, timeout / steps)
    return client_of(options)


def adopt(client: Any, timeout: float) -> Client:
    """Return the same for a client that the user has made.

    Raises:
        ConfigurationError: if processes cannot share it, it decodes responses, or it
            waits for an answer for ever.
    """
    _check(client)
    adopted = _adopted(client, timeout)
    _refuse_decoding(adopted)
    if not adopted.options.get("socket_timeout"):
        raise ConfigurationError(
            f"{adopted.name}: the client waits for an answer for ever: pass one with "
            f"socket_timeout={timeout / 2:g}, or less"
        )
    return adopted


def _refuse_decoding(client: Client) -> None:
    if client.options.get("decode_responses"):
        raise ConfigurationError(
            f"{client.name}: the client decodes responses, and stored values are "
            "bytes: pass one with decode_responses=False"
        )


def _adopted(client: Any, timeout: float) -> Client:
    if isinstance(client, RedisCluster):
        return _of_own_cluster(client, timeout)
    pool = client.connection_pool
    options = {"max_connections": pool.max_connections, **pool.connection_kwargs}
    if hasattr(pool, "sentinel_manager"):
        return _of_master(TimedClient(client, timeout), options)
    name = place(options)
    return Client(PlainClient(client), name, name, options)


def _of_own_cluster(own: Any, timeout: float) -> Client:
    # redis-py before 8 forgets the nodes that the user named: we take all of them.
    first = getattr(own, "startup_nodes", own.nodes_manager.startup_nodes.values())
    nodes = [node.name for node in first]
    client = ClusterClient(lambda: own, timeout, nodes)
    return _of_cluster(client, own.get_connection_kwargs())


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


def _of_master(client: TimedClient, options: Mapping[str, Any]) -> Client:
    name = master_of(client.client.connection_pool)
    return Client(client, name, name, options, True)


def _of_cluster(client: ClusterClient, options: Mapping[str, Any]) -> Client:
    name = f"cluster@{','.join(client.nodes)}"
    return Client(client, name, name, options, True)
