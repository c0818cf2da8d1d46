"""A Redis server without persistence, on TCP (with TLS if asked) and a Unix socket."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from redis import ConnectionError, Redis

from tests.servers.certificate import Certificate
from tests.servers.process import HOST, ServerProcess

# What reading and resetting the counts leaves in the counts.
OUR_OWN = {"info", "config|resetstat"}


class RedisServer(ServerProcess):
    """A Redis of our own; `url` and `unix_url` are what Celery would be given.

    With a certificate it is on TLS only. `name` is that of another version, or of
    Valkey, among the known servers.
    """

    def __init__(
        self,
        directory: Path,
        certificate: Certificate | None = None,
        name: str = "redis",
    ) -> None:
        self.name = name
        super().__init__(directory)
        self._socket = directory / "redis.sock"
        self._certificate = certificate
        self.url = f"redis://{HOST}:{self.port}/0"
        self.unix_url = f"redis+socket://{self._socket}"
        if self._certificate:
            self.url = f"rediss://{HOST}:{self.port}/0?{self._certificate.url_query}"
        # Over the socket: it needs no certificate, and no proxy stands in between.
        self.client = Redis(unix_socket_path=str(self._socket), decode_responses=True)

    def options(self) -> list[str]:
        return [
            *("--bind", HOST, "--save", "", "--appendonly", "no"),
            *("--unixsocket", str(self._socket)),
            *self._tcp_options(),
        ]

    def answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except ConnectionError:
            return False

    def stop(self) -> None:
        self.client.close()
        super().stop()

    def command_counts(self) -> dict[str, int]:
        """How often each command ran since `reset_counts()`, by its lowercase name."""
        stats = cast(Mapping[str, Any], self.client.info("commandstats"))
        counts = {
            name.removeprefix("cmdstat_"): stat["calls"] for name, stat in stats.items()
        }
        return {name: calls for name, calls in counts.items() if name not in OUR_OWN}

    def reset_counts(self) -> None:
        self.client.config_resetstat()

    def _tcp_options(self) -> list[str]:
        if not self._certificate:
            return ["--port", str(self.port)]
        return [
            *("--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", "no"),
            *("--tls-replication", "yes"),
            *("--tls-cert-file", str(self._certificate.chain)),
            *("--tls-key-file", str(self._certificate.key)),
            *("--tls-ca-cert-file", str(self._certificate.authority)),
        ]
