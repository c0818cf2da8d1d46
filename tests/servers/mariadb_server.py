"""A MariaDB server with one database and its owner, on one TCP port."""

import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pymysql

from tests.servers.process import HOST, ServerProcess

OWNER, PASSWORD = "shop", "s3cret/#@"

#: What the script that sets a server up would feed it.
SYSTEM_TABLES = ["mysql_system_tables.sql", "mysql_system_tables_data.sql"]

INIT = f"""\
CREATE DATABASE IF NOT EXISTS shop;
CREATE USER IF NOT EXISTS {OWNER}@'%' IDENTIFIED BY '{PASSWORD}';
GRANT ALL ON *.* TO {OWNER}@'%' WITH GRANT OPTION;
"""


class MariaDBServer(ServerProcess):
    """A MariaDB of our own; `url` is that of its database `shop`.

    Killed and started again, it has what was committed.
    """

    name = "mariadb"
    patience = 180

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._data = directory / "data"
        self._init = directory / "init.sql"
        place = f"{OWNER}:s3cret%2F%23%40@{HOST}:{self.port}/shop"
        # Else each connection reads all certificates of the machine, for 50 ms.
        self.url = f"mysql+pymysql://{place}?ssl_disabled=true"

    def options(self) -> list[str]:
        return [
            *self._places(),
            *("--bind-address", HOST, "--port", str(self.port)),
            *("--socket", str(self.directory / "mariadb.sock")),
            *("--init-file", str(self._init)),
            *("--max-connections=200", "--innodb-buffer-pool-size=32M"),
            # A killed process has left its writes to the system; nothing cuts that off.
            "--innodb-flush-log-at-trx-commit=2",
        ]

    def prepare(self, program: Path) -> None:
        if self._data.exists():
            return
        self._init.write_text(INIT)
        self._data.mkdir()
        # An unpacked server has them beside it, under the root that it was unpacked to.
        shared = program.resolve().parents[1] / "share" / "mysql"
        scripts = [
            (shared / name).read_text(errors="replace") for name in SYSTEM_TABLES
        ]
        text = "\n".join(["CREATE DATABASE mysql;", "USE mysql;", *scripts])
        with self._log.open("ab") as log:
            subprocess.run(
                [
                    program,
                    *self._places(),
                    f"--lc-messages-dir={shared}",
                    "--bootstrap",
                ],
                input=text.encode(),
                cwd=self.directory,
                env=self.variables(program),
                stdout=log,
                stderr=log,
                check=True,
                timeout=self.patience,
            )

    def answers(self) -> bool:
        try:
            self.connect().close()
            return True
        except pymysql.OperationalError:
            return False

    def forget_locks(self) -> None:
        """Delete what is in our tables, if there are any."""
        with self.connect() as connection, connection.cursor() as cursor:
            for table in ("unique_task_locks", "unique_task_locks_counters"):
                with suppress(pymysql.ProgrammingError):
                    cursor.execute(f"DELETE FROM {table}")

    def connect(self) -> Any:
        """Return a connection of the owner, each statement of which counts at once."""
        return pymysql.connect(
            host=HOST,
            port=self.port,
            user=OWNER,
            password=PASSWORD,
            database="shop",
            autocommit=True,
            ssl_disabled=True,
        )

    def _places(self) -> list[str]:
        return [
            *("--no-defaults", "--user=root", f"--datadir={self._data}"),
            # Each server that starts clears up there, also after those that run.
            f"--tmpdir={self.directory}",
            # The other way of writing needs memory that many servers run out of.
            "--innodb-use-native-aio=0",
        ]
