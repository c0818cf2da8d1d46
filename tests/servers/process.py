"""A server as a process of our own, started for the tests and gone with them."""

import signal
import socket
import subprocess
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from random import SystemRandom
from typing import TypeVar

from tests.servers.find import environment, require
from tests.waiting import wait_until

Started = TypeVar("Started", bound="ServerProcess")

HOST = "127.0.0.1"
LOG_TAIL = 2000

#: Loopback ports that the system does not give to outgoing connections.
PORTS = range(20000, 32000)


def kept_port() -> socket.socket:
    """Keep a port for a server of ours until the socket is closed.

    The socket never listens, so that the server may, again after a restart: all set
    SO_REUSEADDR. Who looks for a free port passes it by.
    """
    while True:
        keeper = socket.socket()
        # Not the generator that tests seed: processes would try the same ports.
        with suppress(OSError):
            keeper.bind((HOST, SystemRandom().choice(PORTS)))
            # Not before: another keeper's port must be refused.
            keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            return keeper
        keeper.close()


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with kept_port() as keeper:
        port: int = keeper.getsockname()[1]
        return port


class ServerProcess(ABC):
    """Start, stop, kill, freeze; a kind of server adds its options and its ping."""

    name: str
    #: Seconds that a start may take on a busy machine.
    patience = 60
    #: What asks it to end, whoever is connected.
    ending = signal.SIGTERM

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._kept_ports: list[socket.socket] = []
        self.port = self.keep_port()
        self._log = directory / f"{self.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def options(self) -> list[str]:
        """The command line after the program."""

    def prefix(self) -> list[str]:
        """The command line before the program."""
        return []

    def prepare(self, program: Path) -> None:
        """Make in its directory what it cannot start without, if that is not there."""

    def variables(self, program: Path) -> dict[str, str]:
        """The environment to run `program` in."""
        return environment(program)

    @abstractmethod
    def answers(self) -> bool:
        """Whether the server takes requests now."""

    def keep_port(self) -> int:
        """A port that is this server's, while it is down as well."""
        self._kept_ports.append(kept_port())
        port: int = self._kept_ports[-1].getsockname()[1]
        return port

    @property
    def pid(self) -> int:
        return self._running.pid

    def start(self) -> None:
        """Return when the server answers."""
        program = require(self.name)
        self.prepare(program)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self.prefix(), program, *self.options()],
                cwd=self.directory,
                env=self.variables(program),
                stdout=log,
                stderr=log,
            )
        wait_until(self._ready, timeout=self.patience, message=self._log_tail)

    def stop(self) -> None:
        """End it as an administrator would, paused or not."""
        self._end(self.ending)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Kill it and start it on the same port; what it had not on disk is lost."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """Freeze it: connections stay open, nothing is answered."""
        self._running.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server answer again, also what came in meanwhile."""
        self._running.send_signal(signal.SIGCONT)

    def __enter__(self: Started) -> Started:
        try:
            self.start()
        except BaseException:
            if self._process:
                self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        for keeper in self._kept_ports:
            keeper.close()

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process, f"{self.name} was not started"
        return self._process

    def _ready(self) -> bool:
        assert self._running.poll() is None, self._log_tail()
        return self.answers()

    def _end(self, how: signal.Signals) -> None:
        self._running.send_signal(how)
        # A paused process notices that only when it goes on.
        self._running.send_signal(signal.SIGCONT)
        try:
            self._running.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self._running.kill()
            raise

    def _log_tail(self) -> str:
        return f"{self.name} did not start:\n{self._log.read_text()[-LOG_TAIL:]}"
