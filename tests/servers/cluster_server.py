"""A Redis Cluster of a few nodes."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, cast

from redis.crc import key_slot

from tests.servers.certificate import Certificate
from tests.servers.process import HOST
from tests.servers.redis_server import RedisServer
from tests.waiting import wait_until

SLOTS = 16384

#: Milliseconds of silence after which the others hold a node for down.
SILENCE = 1000


class ClusterNode(RedisServer):
    """One node, which others have to meet."""

    def __init__(self, directory: Path, certificate: Certificate | None = None) -> None:
        super().__init__(directory, certificate)
        self._bus = self.keep_port()

    def options(self) -> list[str]:
        return [
            *super().options(),
            *(("--tls-cluster", "yes") if self._certificate else ()),
            *("--cluster-enabled", "yes", "--cluster-port", str(self._bus)),
            *("--cluster-node-timeout", str(SILENCE)),
            # The other nodes go on when one is down.
            *("--cluster-require-full-coverage", "no"),
        ]

    def meet(self, other: "ClusterNode") -> None:
        self.say("MEET", HOST, other.port, other._bus)

    @property
    def role(self) -> str:
        """``master``, or ``slave`` of another node, with ``up`` if it has all."""
        told: Any = self.client.info("replication")
        return " ".join([told["role"], told.get("master_link_status", "")]).strip()

    @property
    def id(self) -> str:
        return str(self.say("MYID"))

    def knows(self, count: int) -> bool:
        """Whether it knows so many nodes, which have all the slots."""
        told = cast(dict[str, str], self.say("INFO"))
        return told["cluster_state"] == "ok" and (
            int(told["cluster_known_nodes"]) == count
        )

    def owners(self, slot: int) -> list[int]:
        """The port of the node that has `slot`, as far as this one knows."""
        shards = self.say("SLOTS")
        return [
            port for first, last, (_, port, *_), *_ in shards if first <= slot <= last
        ]

    def say(self, *words: Any) -> Any:
        client: Any = self.client
        return client.execute_command(f"CLUSTER {words[0]}", *words[1:])


class Cluster:
    """Nodes with the slots in equal parts; `url` names one of them."""

    def __init__(self, nodes: list[ClusterNode]) -> None:
        self.nodes = nodes
        first = nodes[0].url.replace("://", "+cluster://", 1)
        self.url = first.replace("/0", "", 1)

    def join(self) -> None:
        """Return when all nodes know each other, and who has which slots."""
        parts = len(self.nodes)
        for number, node in enumerate(self.nodes):
            first, last = number * SLOTS // parts, (number + 1) * SLOTS // parts - 1
            # One epoch for each: else they settle that first.
            node.say("SET-CONFIG-EPOCH", number + 1)
            node.say("ADDSLOTSRANGE", first, last)
            self.nodes[0].meet(node)
        self.wait(self.nodes)

    def wait(self, nodes: list[ClusterNode]) -> None:
        """Return when the cluster is whole, of these nodes."""
        wait_until(lambda: all(node.knows(len(nodes)) for node in nodes), timeout=60)

    def add_replica(self, replica: ClusterNode) -> None:
        """Return when it has what the first node has, and follows that."""
        first = self.nodes[0]
        first.meet(replica)
        self.wait([*self.nodes, replica])
        replica.say("REPLICATE", first.id)
        # The first copy would wait five seconds for other replicas to join.
        first.client.config_set("repl-diskless-sync-delay", 0)
        wait_until(lambda: replica.role == "slave up", timeout=60)

    def keys(self) -> list[str]:
        """The key of a lock on each node."""
        found: dict[ClusterNode, str] = {}
        for number in count():
            if len(found) == len(self.nodes):
                return [found[node] for node in self.nodes]
            found.setdefault(self.node_of(f"key {number}"), f"key {number}")
        raise AssertionError

    def node_of(self, key: str) -> ClusterNode:
        """The one that has the slot of the lock `key`, as soon as all agree."""
        [port] = wait_until(lambda: self._agreed(key_slot(key.encode())))
        return next(node for node in self.nodes if node.port == port)

    def _agreed(self, slot: int) -> set[int]:
        owners = {port for node in self.nodes for port in node.owners(slot)}
        return owners if len(owners) == 1 else set()

    @contextmanager
    def moving(self, key: str, target: ClusterNode) -> Iterator[None]:
        """Give the slot of the lock `key` to `target`, at the end; its keys at once.

        Only once in the life of a cluster: a slot that is moved back soon may get lost
        between two nodes, each of which holds the other for its owner.
        """
        source, slot = self.node_of(key), key_slot(key.encode())
        target.say("SETSLOT", slot, "IMPORTING", source.id)
        source.say("SETSLOT", slot, "MIGRATING", target.id)
        for name in source.say("GETKEYSINSLOT", slot, 100):
            source.client.migrate(HOST, target.port, name, 0, 5000)
        yield
        for node in (target, source):
            node.say("SETSLOT", slot, "NODE", target.id)
        wait_until(lambda: self._agreed(slot) == {target.port})

    def empty(self) -> None:
        for node in self.nodes:
            node.client.flushall()


@contextmanager
def cluster(
    directory: Path, certificate: Certificate | None = None
) -> Iterator[Cluster]:
    """Start three nodes and make them one cluster."""
    with ExitStack() as stack:
        nodes = []
        for number in range(3):
            (directory / str(number)).mkdir()
            node = ClusterNode(directory / str(number), certificate)
            nodes.append(stack.enter_context(node))
        found = Cluster(nodes)
        found.join()
        yield found
