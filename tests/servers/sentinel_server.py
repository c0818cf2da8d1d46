"""A Redis with a replica, and Sentinels that put it in the master's place."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

from redis import Redis, RedisError

from tests.servers.certificate import Certificate
from tests.servers.process import HOST, ServerProcess, free_port
from tests.servers.redis_server import RedisServer
from tests.waiting import wait_until

MASTER_NAME = "mymaster"

#: Milliseconds of silence after which a Sentinel holds a server for down.
SILENCE = 1000


class Replica(RedisServer):
    """Follows the Redis at `port` of another."""

    def __init__(
        self,
        directory: Path,
        master: RedisServer,
        certificate: Certificate | None = None,
    ) -> None:
        super().__init__(directory, certificate)
        self._master = master

    def options(self) -> list[str]:
        return [*super().options(), "--replicaof", f"{HOST} {self._master.port}"]

    def answers(self) -> bool:
        if not super().answers():
            return False
        return self.replication().get("master_link_status") == "up"

    def replication(self) -> Mapping[str, Any]:
        return cast(Mapping[str, Any], self.client.info("replication"))


class SentinelServer(ServerProcess):
    """One Sentinel; `quorum` of them have to agree that a master is down.

    With a certificate it asks the master by TLS, and is itself on `tls_port` as well.
    """

    name = "redis"

    def __init__(
        self,
        directory: Path,
        master: RedisServer,
        quorum: int,
        certificate: Certificate | None = None,
    ) -> None:
        super().__init__(directory)
        self.tls_port = free_port() if certificate else None
        self._configuration = directory / "sentinel.conf"
        self._configuration.write_text(
            f"bind {HOST}\nport {self.port}\ndir {directory}\n"
            f"sentinel monitor {MASTER_NAME} {HOST} {master.port} {quorum}\n"
            f"sentinel down-after-milliseconds {MASTER_NAME} {SILENCE}\n"
            f"sentinel failover-timeout {MASTER_NAME} 3000\n"
            f"{self._tls_options(certificate) if certificate else ''}"
        )
        self.client = Redis(HOST, self.port, decode_responses=True)

    def options(self) -> list[str]:
        return [str(self._configuration), "--sentinel"]

    def answers(self) -> bool:
        """Whether it knows the replica, and so whom to promote."""
        try:
            replicas = cast(Any, self.client.sentinel_slaves(MASTER_NAME))
        except RedisError:
            return False
        return [replica["flags"] for replica in replicas] == ["slave"]

    def others(self) -> int:
        """How many other Sentinels it has met."""
        return int(self.master()["num-other-sentinels"])

    def master(self) -> Mapping[str, Any]:
        """What it knows of the master."""
        masters = cast(Mapping[str, Any], self.client.sentinel_masters())
        return cast(Mapping[str, Any], masters[MASTER_NAME])

    def stop(self) -> None:
        self.client.close()
        super().stop()

    def _tls_options(self, certificate: Certificate) -> str:
        return (
            f"tls-port {self.tls_port}\ntls-auth-clients no\ntls-replication yes\n"
            f"tls-cert-file {certificate.chain}\ntls-key-file {certificate.key}\n"
            f"tls-ca-cert-file {certificate.authority}\n"
        )


class Sentinels:
    """A master, its replica, and Sentinels; `url` is what Celery would be given."""

    def __init__(
        self, master: RedisServer, replica: Replica, sentinels: list[SentinelServer]
    ) -> None:
        self.master = master
        self.replica = replica
        self.sentinels = sentinels
        self.bare_url = ";".join(f"sentinel://{HOST}:{s.port}/0" for s in sentinels)
        self.url = f"{self.bare_url}?master_name={MASTER_NAME}"

    def wait_for_replica(self) -> None:
        """Return when the replica has all that was written so far."""
        # The server waits for what this very connection wrote.
        with self.master.client.pipeline(transaction=False) as pipeline:
            pipeline.set("copied", 1)
            pipeline.wait(1, 10_000)
            assert pipeline.execute()[1] == 1

    def wait_for_promotion(self) -> None:
        """Return when clients are sent to the replica."""
        # For 30 s, a Sentinel trusts no clock of a machine that stood still.
        wait_until(self._promoted, timeout=60, message="the replica was not promoted")

    def _promoted(self) -> bool:
        known = {one.master()["port"] for one in self.sentinels}
        return known == {self.replica.port} and (
            self.replica.replication()["role"] == "master"
        )


@contextmanager
def sentinels(
    directory: Path, count: int = 1, certificate: Certificate | None = None
) -> Iterator[Sentinels]:
    """Start them all; `count` is the number of Sentinels, of which most must agree.

    With a certificate, the master and its replica are on TLS only.
    """

    def folder(name: str) -> Path:
        (directory / name).mkdir()
        return directory / name

    with ExitStack() as stack:
        master = stack.enter_context(RedisServer(folder("master"), certificate))
        # The first copy would wait five seconds for other replicas to join.
        master.client.config_set("repl-diskless-sync-delay", 0)
        replica = stack.enter_context(Replica(folder("replica"), master, certificate))
        watching = [
            stack.enter_context(
                SentinelServer(
                    folder(f"sentinel{number}"), master, count // 2 + 1, certificate
                )
            )
            for number in range(count)
        ]
        servers = Sentinels(master, replica, watching)
        # Until it has said for the first time how far it is, the replica gets nothing.
        servers.wait_for_replica()
        wait_until(lambda: all(one.others() == count - 1 for one in watching))
        yield servers
