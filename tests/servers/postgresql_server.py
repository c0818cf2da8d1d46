"""A PostgreSQL server with one database and its owner, on one TCP port."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg

from tests.servers.process import HOST, ServerProcess

OWNER, PASSWORD = "shop", "s3cret/#@"

#: Of nobody in particular: PostgreSQL does not run as root.
UNPRIVILEGED = 65534


class PostgreSQLServer(ServerProcess):
    """A PostgreSQL of our own; `url` is that of its database `shop`.

    Killed and started again, it has what was committed.
    """

    name = "postgresql"
    patience = 180
    ending = signal.SIGINT

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._data = directory / "data"
        self.url = (
            f"postgresql+psycopg://{OWNER}:s3cret%2F%23%40@{HOST}:{self.port}/shop"
        )

    def options(self) -> list[str]:
        settings = {
            "port": self.port,
            "listen_addresses": HOST,
            "unix_socket_directories": self.directory,
            "max_connections": 200,
            "shared_buffers": "16MB",
            # A killed process has left its writes to the system; nothing cuts that off.
            "fsync": "off",
        }
        return [
            *("-D", str(self._data)),
            *(f"--{name}={value}" for name, value in settings.items()),
        ]

    def prefix(self) -> list[str]:
        if os.getuid():
            return []
        # Another user who may still read and write the files of root.
        user, may = str(UNPRIVILEGED), "+dac_override"
        who = ["--reuid", user, "--regid", user, "--clear-groups"]
        return ["setpriv", *who, "--inh-caps", may, "--ambient-caps", may]

    def prepare(self, program: Path) -> None:
        if self._data.exists():
            return
        self._data.mkdir()
        if not os.getuid():
            os.chown(self._data, UNPRIVILEGED, UNPRIVILEGED)
        secret = self.directory / "password"
        secret.write_text(PASSWORD)
        options = [
            "--username",
            OWNER,
            "--pwfile",
            str(secret),
            "--auth",
            "scram-sha-256",
        ]
        options += ["--no-sync", "--encoding", "UTF8", "--locale", "C"]
        subprocess.run(
            # The program that PATH has may be a link to it.
            [
                *self.prefix(),
                program.resolve().with_name("initdb"),
                *options,
                self._data,
            ],
            cwd=self.directory,
            env=self.variables(program),
            stdout=subprocess.DEVNULL,
            check=True,
            timeout=self.patience,
        )

    def answers(self) -> bool:
        try:
            with self.connect("postgres") as connection:
                if not connection.execute(
                    "SELECT 1 FROM pg_database WHERE datname = 'shop'"
                ).fetchone():
                    connection.execute("CREATE DATABASE shop")
            return True
        except psycopg.OperationalError:
            return False

    def kill(self) -> None:
        """End it as a power cut would; return when all its processes are gone.

        As long as one of them has the memory that they share, no server starts there.
        """
        processes = psutil.Process(self.pid).children(recursive=True)
        super().kill()
        _, alive = psutil.wait_procs(processes, timeout=60)
        assert not alive, f"{alive} outlive their server"

    def forget_locks(self) -> None:
        """Delete what is in our tables, if there are any."""
        with self.connect() as connection:
            for table in ("unique_task_locks", "unique_task_locks_counters"):
                with suppress(psycopg.errors.UndefinedTable):
                    connection.execute(f"DELETE FROM {table}")

    def connect(self, database: str = "shop") -> psycopg.Connection[tuple[object, ...]]:
        """Return a connection of the owner, each statement of which counts at once."""
        return psycopg.connect(
            host=HOST,
            port=self.port,
            user=OWNER,
            password=PASSWORD,
            dbname=database,
            autocommit=True,
        )
