"""Sends other workers what concerns the calls that wait there."""

from __future__ import annotations

import logging
import time
from collections import deque
from threading import Lock
from typing import Any

from ..forks import in_forks
from ..threads import start_thread
from .next_steps import Asks, Frees

logger = logging.getLogger(__name__)

#: Celery's remote control commands by which workers talk. Their names, and those of
#: their arguments, are a wire format: workers of two versions talk, too.
ASKS = "unique_task_asks"
FREES = "unique_task_frees"

#: Messages that may wait for the broker, and for how many seconds. Older ones are
#: dropped: by then, the calls have asked the store themselves.
_MOST = 1000
_OLDEST = 10.0


class Messenger:
    """Sends messages in a thread, as the worker itself must not wait for the broker."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start empty: a fork has not the thread of its parent."""
        self._messages: deque[tuple[float, Any, Asks | Frees]] = deque(maxlen=_MOST)
        self._mutex = Lock()
        self._sends = False

    def send(self, consumer: Any, message: Asks | Frees) -> None:
        """Send a message without waiting; it may be lost."""
        if not _can_control(consumer):
            return
        self._messages.append((time.monotonic() + _OLDEST, consumer, message))
        with self._mutex:
            if not self._sends:
                self._sends = start_thread(self._run, "unique_task") is not None

    def _run(self) -> None:
        while self._is_left():
            end, consumer, message = self._messages.popleft()
            try:
                if time.monotonic() < end:
                    _send(consumer, message)
            except Exception as error:
                logger.info("%s was not told of a lock: %s", message.worker, error)

    def _is_left(self) -> bool:
        """Tell whether a message is left; if not, the next one needs a new thread."""
        with self._mutex:
            self._sends = bool(self._messages)
            return self._sends


def _can_control(consumer: Any) -> bool:
    """Tell whether workers have remote control, by Celery's own rule."""
    enabled = consumer.app.conf.worker_enable_remote_control
    return bool(enabled and consumer.conninfo.supports_exchange_type("fanout"))


def _send(consumer: Any, message: Asks | Frees) -> None:
    command, arguments = as_command(consumer.hostname, message)
    consumer.app.control.broadcast(
        command, arguments=arguments, destination=[message.worker]
    )


def as_command(sender: str, message: Asks | Frees) -> tuple[str, dict[str, Any]]:
    """Return the remote control command, and its arguments, that carry a message.

    Arguments:
        sender: name of the node of this worker.
    """
    if isinstance(message, Asks):
        asking = message.neighbour
        return ASKS, {
            "key": message.key,
            "holder": message.holder,
            "worker": sender,
            "since": asking.since,
            "shared": asking.shared,
        }
    return FREES, {
        "key": message.key,
        "neighbours": [
            [name, one.since, one.shared] for name, one in message.neighbours.items()
        ],
        "succeeded": message.succeeded,
        "holder": message.holder,
        "passed": message.passed,
    }


#: Of this process.
messenger = Messenger()

in_forks(messenger.forget)
