"""A Redis Cluster of a few nodes."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

from redis.crc import key_slot

from tests.servers.process import HOST, free_port
from tests.servers.redis_server import RedisServer
from tests.waiting import wait_until

SLOTS = 16384

#: Milliseconds of silence after which the others hold a node for down.
SILENCE = 500


class ClusterNode(RedisServer):
    """One node, which others have to meet."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._bus = free_port()

    def options(self) -> list[str]:
        return [
            *super().options(),
            *("--cluster-enabled", "yes", "--cluster-port", str(self._bus)),
            *("--cluster-node-timeout", str(SILENCE)),
            # The other nodes go on when one is down.
            *("--cluster-require-full-coverage", "no"),
        ]

    def meet(self, other: "ClusterNode") -> None:
        self.say("MEET", HOST, other.port, other._bus)

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
        self.url = f"redis+cluster://{HOST}:{nodes[0].port}"

    def join(self) -> None:
        """Return when all nodes know each other, and who has which slots."""
        count = len(self.nodes)
        for number, node in enumerate(self.nodes):
            first, last = number * SLOTS // count, (number + 1) * SLOTS // count - 1
            # One epoch for each: else they settle that first.
            node.say("SET-CONFIG-EPOCH", number + 1)
            node.say("ADDSLOTSRANGE", first, last)
            self.nodes[0].meet(node)
        self.wait()

    def wait(self) -> None:
        """Return when the cluster is whole."""
        count = len(self.nodes)
        wait_until(lambda: all(node.knows(count) for node in self.nodes), timeout=20)

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
def cluster(directory: Path, count: int = 3) -> Iterator[Cluster]:
    """Start so many nodes and make them one cluster."""
    with ExitStack() as stack:
        nodes = []
        for number in range(count):
            (directory / str(number)).mkdir()
            nodes.append(stack.enter_context(ClusterNode(directory / str(number))))
        found = Cluster(nodes)
        found.join()
        yield found
