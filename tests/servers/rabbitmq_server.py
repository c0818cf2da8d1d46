"""A RabbitMQ server without plugins, cluster and port mapper, on one TCP port."""

import shlex
from pathlib import Path

from amqp import Connection

from tests.servers.process import HOST, ServerProcess

NODE = "rabbit@localhost"

ERLANG_OPTIONS = [
    # Named before RabbitMQ would name itself, for which it would start a port mapper
    # (epmd), a daemon that outlives it. Nobody may join: there is nothing to map.
    *("-sname", NODE, "-start_epmd", "false", "-dist_listen", "false"),
    # RabbitMQ wants to know the port on which nobody listens now: any will do.
    *("-erl_epmd_port", "1"),
    # One scheduler: the tests need the processors more than the server does.
    *("+S", "1:1"),
]


class RabbitMQServer(ServerProcess):
    """A RabbitMQ of our own; `url` is what Celery would be given.

    Killed and started again, it still has its durable queues, as Celery's are, and
    what of persistent messages it had the time to write.
    """

    name = "rabbitmq"
    patience = 180

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.url = f"amqp://guest:guest@{HOST}:{self.port}//"
        self._settings = directory / "rabbitmq-env.conf"
        # It is a shell script that the start script reads before all others.
        self._settings.write_text(f"SYS_PREFIX={shlex.quote(str(directory))}\n")

    def options(self) -> list[str]:
        return []

    def variables(self, program: Path) -> dict[str, str]:
        ours = super().variables(program)
        return {
            **ours,
            **self._erlang(program, ours["PATH"]),
            # The start script then becomes the server, and all signals reach it.
            "RUNNING_UNDER_SYSTEMD": "true",
            "RABBITMQ_CONF_ENV_FILE": str(self._settings),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_NODENAME": NODE,
            "RABBITMQ_NODE_IP_ADDRESS": HOST,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": " ".join(ERLANG_OPTIONS),
            # Erlang keeps a secret there.
            "HOME": str(self.directory),
        }

    def answers(self) -> bool:
        try:
            with self._connection():
                return True
        except OSError:
            return False

    def queue_length(self, name: str) -> int:
        """How many messages wait in the queue; those that a worker has do not."""
        with self._connection() as connection:
            declared = connection.channel().queue_declare(name, passive=True)
        assert declared, "only a declaration that does not wait gives nothing"
        return declared[1]

    def delete_queue(self, name: str) -> None:
        """Delete it with all that waits in it; it need not exist."""
        with self._connection() as connection:
            connection.channel().queue_delete(name)

    def _connection(self) -> Connection:
        return Connection(f"{HOST}:{self.port}", connect_timeout=20)

    def _erlang(self, program: Path, path: str) -> dict[str, str]:
        """Have the Erlang beside `program` found; its `erl` knows one folder only."""
        places = "usr/lib*/erlang/erts-*/bin/erlexec"
        launchers = (found for root in program.parents for found in root.glob(places))
        launcher = next(launchers, None)
        if launcher is None:  # installed where only its own `erl` knows
            return {}
        folder = self.directory / "bin"
        folder.mkdir(exist_ok=True)
        (folder / "erl").unlink(missing_ok=True)
        (folder / "erl").symlink_to(launcher)
        return {
            "PATH": f"{folder}:{path}",
            "ROOTDIR": str(launcher.parents[2]),
            "BINDIR": str(launcher.parent),
            "EMU": "beam",
            "PROGNAME": "erl",
        }
