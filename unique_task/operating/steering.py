"""Tells workers what to do, by commands that they do not answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from queue import Empty, Queue
from typing import Any

from celery import Celery

from ..threads import start_thread
from ..waiting.neighbours import as_command
from ..waiting.next_steps import Frees

#: Seconds for one command, the connection to the broker included.
_PATIENCE = 4.0


class Steering:
    """Remote control of the workers of an app.

    A broker that has failed once is left alone from then on, so that of many commands
    one waits for it.

    Attributes:
        missing: why no command is sent any more; empty if they are.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app
        self.missing = ""

    def start_waiting(self, key: str) -> bool:
        """Let each worker start the call that waits longest for `key` there."""
        command, arguments = as_command("", Frees("", key, {}))
        send = partial(self._app.control.broadcast, command, arguments=arguments)
        return self._sent(send)

    def revoke(self, task: str, *, terminate: bool) -> bool:
        """Revoke a task by its id, and end its run if `terminate`."""
        revoke: Any = self._app.control.revoke
        return self._sent(partial(revoke, task, terminate=terminate))

    def _sent(self, send: Callable[..., object]) -> bool:
        """Send a command; return False if that fails."""
        if not self.missing:
            self.missing = self._failure_in_time(send)
        return not self.missing

    def _failure_in_time(self, send: Callable[..., object]) -> str:
        failures: Queue[str] = Queue()
        # In a thread: a broker that accepts a connection and says no more has no limit.
        work = partial(_failure, self._app, send)
        start_thread(lambda: failures.put(work()), "unique_task steers workers")
        try:
            return failures.get(timeout=_PATIENCE)
        except Empty:
            return "the broker does not answer"


def _failure(app: Celery, send: Callable[..., object]) -> str:
    """Send a command; return why that failed, empty if it did not."""
    try:
        with app.connection_for_write() as connection:
            if not connection.supports_exchange_type("fanout"):
                return "the broker carries no remote control"
            # Without a bound, kombu tries to connect for ever.
            connection.ensure_connection(max_retries=1, interval_start=0)
            send(connection=connection)
    except Exception as error:  # of any of kombu's transports
        return f"the broker does not answer: {error}"
    return ""
