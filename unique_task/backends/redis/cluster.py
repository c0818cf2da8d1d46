"""A client of a Redis Cluster whose operations keep their deadline."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import redis
from redis.cluster import ClusterNode, RedisCluster

# Unlike the client's other errors, it is no RedisError.
from redis.exceptions import AskError, ClusterDownError
from redis.exceptions import RedisClusterException as ClusterError
from redis.exceptions import TryAgainError

from ...exceptions import ConfigurationError
from ..safe_names import without_password
from .connections import PARTS, eval_all, time_is_over, timed, within
from .script import Eval
from .url import Options, address, hurry, options_of, server_url, servers

Answer = TypeVar("Answer")

#: Errors for a key that another node has, or will have in a moment.
_ELSEWHERE = (AskError, ClusterDownError, TryAgainError)

#: Errors for a node that is away.
_UNREACHED = (redis.ConnectionError, redis.TimeoutError, OSError)

# redis-py gives it no types.
_NODE: Any = ClusterNode

_Answers = dict[int, Any]


def connect_to_cluster(url: str, timeout: float) -> tuple[ClusterClient, Options]:
    """Return a client of the cluster whose nodes `url` names, and its options.

    Raises:
        ConfigurationError: if `url` is not a URL of a cluster.
    """
    found, query = servers(url)
    options, *others = [options_of(server_url(server, query), url) for server in found]
    nodes = [address(node) for node in (options, *others)]
    if options.pop("db", 0):
        raise ConfigurationError(
            f"{without_password(url)}: a cluster has no database but 0"
        )
    hurry(options, timeout / PARTS)
    options["connection_class"] = timed(options["connection_class"])
    shown = without_password(url)
    client = ClusterClient(lambda: _open(nodes, options, shown), timeout, nodes)
    return client, options


def _open(nodes: Sequence[str], options: Options, shown: str) -> RedisCluster:
    """Return redis-py's client, which asks these nodes for all others at once."""
    startup = [_NODE(*_split(node)) for node in nodes[1:]]
    # Only with a URL does redis-py take our connection class.
    host, port = _split(nodes[0])
    url = f"redis://[{host}]:{port}" if ":" in host else f"redis://{host}:{port}"
    try:
        return RedisCluster(
            url=url, startup_nodes=startup, require_full_coverage=False, **options
        )
    except ClusterError as error:
        if "Cluster mode is not enabled" not in str(error):
            raise
        raise ConfigurationError(
            f"{shown} is no node of a Redis Cluster, but a single server: use "
            f"{shown.replace('+cluster', '', 1)}"
        ) from None


def _split(node: str) -> tuple[str, int]:
    host, _, port = node.rpartition(":")
    return host, int(port)


class ClusterClient:
    """The part of a cluster's client that we use.

    It asks for the nodes at its first use.
    """

    def __init__(
        self, connect: Callable[[], RedisCluster], timeout: float, nodes: Iterable[str]
    ) -> None:
        self.nodes = sorted(nodes)
        self._connect = connect
        self._timeout = timeout
        # By process id: a fork opens its own, and leaves its parent's alone.
        self._clusters: dict[int, Any] = {}

    def evalsha(self, *args: Any) -> Any:
        with within(self._timeout):
            return self._cluster().evalsha(*args)

    def eval(self, *args: Any) -> Any:
        with within(self._timeout):
            return self._cluster().eval(*args)

    def eval_all(self, evals: Sequence[Eval]) -> list[Any]:
        with within(self._timeout):
            return _Round(self._cluster(), evals).answers()

    def ask(self, question: Callable[[Any], Answer]) -> Answer:
        with within(self._timeout):
            return question(self._cluster())

    def _cluster(self) -> Any:
        cluster = self._clusters.get(os.getpid())
        if cluster is None:
            try:
                cluster = self._clusters[os.getpid()] = self._connect()
            except IndexError:
                raise ClusterError("the cluster has no slots yet") from None
        return cluster


class _Round:
    """Scripts for several nodes; those for one node are sent together.

    While a node is down, only its own scripts fail; redis-py's pipeline would send none
    at all.
    """

    def __init__(self, cluster: Any, evals: Sequence[Eval]) -> None:
        self._cluster = cluster
        self._evals = evals
        self._answers: _Answers = {}

    def answers(self) -> list[Any]:
        nodes = self._send(range(len(self._evals)))
        # Each node gets its scripts once before any node gets some again.
        for numbers in nodes:
            self._send_again(self._of(_UNREACHED, numbers))
        for number in self._of(_ELSEWHERE, self._answers):
            if not time_is_over():
                self._send_alone(number)
        return [self._answers[number] for number in range(len(self._evals))]

    def _of(self, kinds: tuple[type, ...], numbers: Iterable[int]) -> list[int]:
        return [n for n in numbers if isinstance(self._answers[n], kinds)]

    def _send(self, numbers: Iterable[int]) -> list[list[int]]:
        """Send each node its scripts; return their numbers, grouped by node."""
        nodes = self._by_node(numbers)
        for node, own in nodes.items():
            found = _tried(eval_all, node, [self._evals[number] for number in own])
            failed = isinstance(found, Exception)
            self._answers.update(zip(own, [found] * len(own) if failed else found))
        return list(nodes.values())

    def _send_again(self, numbers: Sequence[int]) -> None:
        """Send the scripts that did not reach their node, if the first one does now."""
        for first in numbers[:1]:
            self._send_alone(first)
            if not self._of(_UNREACHED, [first]):
                self._send(numbers[1:])

    def _send_alone(self, number: int) -> None:
        """Send it through redis-py, which asks for the nodes again if it has to."""
        script, keys, args = self._evals[number]
        self._answers[number] = _tried(script.run, self._cluster, keys, args)

    def _by_node(self, numbers: Iterable[int]) -> dict[Any, list[int]]:
        nodes = defaultdict(list)
        for number in numbers:
            _, (key, *_), _ = self._evals[number]
            found = _tried(self._client_for, key)
            if isinstance(found, Exception):
                self._answers[number] = found
            else:
                nodes[found].append(number)
        return nodes

    def _client_for(self, key: str) -> Any:
        cluster = self._cluster
        return cluster.get_redis_connection(cluster.get_node_from_key(key))


def _tried(call: Callable[..., Any], *args: Any) -> Any:
    try:
        return call(*args)
    except (redis.RedisError, ClusterError, OSError) as error:
        return error
