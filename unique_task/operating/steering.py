"""Tells workers what to do, by commands that they do not answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from celery import Celery

from ..waiting.neighbours import as_command
from ..waiting.next_steps import Frees
from .asking import BrokerAwayError, ask_broker

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
            work = partial(_send, send)
            try:
                ask_broker(self._app, work, _PATIENCE, "unique_task steers workers")
            except BrokerAwayError as error:
                self.missing = str(error)
        return not self.missing


def _send(send: Callable[..., object], connection: Any) -> None:
    if not connection.supports_exchange_type("fanout"):
        raise BrokerAwayError("the broker carries no remote control")
    send(connection=connection)
