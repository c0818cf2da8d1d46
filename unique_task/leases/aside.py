"""Sends signals in another thread, so that slow receivers delay no renewal."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from threading import Lock, Thread
from typing import Any

from celery.utils.dispatch import Signal

from ..forks import in_forks
from ..signals import send_signal
from ..threads import start_thread

logger = logging.getLogger(__name__)

#: Calls that may wait for slow receivers.
_MOST = 1000


class SignalSender:
    """Makes calls one after the other, in a thread that ends with the last of them."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start empty in a fork: its parent sends the signals that wait."""
        self._mutex = Lock()
        self._calls: deque[Callable[[], object]] = deque()
        self._thread: Thread | None = None

    def add(self, call: Callable[[], object]) -> bool:
        """Make `call` soon; return False if too many calls wait already."""
        with self._mutex:
            if len(self._calls) >= _MOST:
                return False
            self._calls.append(call)
            if self._thread is None or not self._thread.is_alive():
                # Where it cannot be started now, the next call tries again.
                self._thread = start_thread(self._work, "unique_task signals")
            return True

    def _work(self) -> None:
        while call := self._next():
            call()

    def _next(self) -> Callable[[], object] | None:
        with self._mutex:
            if self._calls:
                return self._calls.popleft()
            # Under the same lock: a call that is added now starts another thread.
            self._thread = None
            return None


_sender = SignalSender()

in_forks(_sender.forget)


def send_in_thread(signal: Signal, task: Any, **arguments: Any) -> None:
    """Send `signal` soon; the caller does not wait for the receivers."""
    if not signal.receivers:
        return
    if not _sender.add(partial(send_signal, signal, task, **arguments)):
        logger.error("receivers of %r are too slow, and miss one call", signal)
