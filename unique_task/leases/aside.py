"""Calls the receivers of signals in a thread of their own, for who must not wait."""

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

#: Calls that may wait for receivers which are slow.
_MOST = 1000


class Teller:
    """Makes calls in turn, in one thread of the process, which ends with the last."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start anew in a fork, which has nothing of its parent's to tell."""
        self._mutex = Lock()
        self._calls: deque[Callable[[], object]] = deque()
        self._thread: Thread | None = None

    def add(self, call: Callable[[], object]) -> bool:
        """Make `call` soon; return False if too many wait already."""
        with self._mutex:
            if len(self._calls) >= _MOST:
                return False
            self._calls.append(call)
            if self._thread is None or not self._thread.is_alive():
                # Where it cannot be started now, the next call tries again.
                self._thread = start_thread(self._work, "unique_task tell")
            return True

    def _work(self) -> None:
        while call := self._next():
            call()

    def _next(self) -> Callable[[], object] | None:
        with self._mutex:
            if self._calls:
                return self._calls.popleft()
            # In the same breath: what comes now starts another thread.
            self._thread = None
            return None


_teller = Teller()

in_forks(_teller.forget)


def tell_aside(signal: Signal, task: Any, **told: Any) -> None:
    """Send `signal` soon; the caller does not wait for the receivers."""
    if not signal.receivers:
        return
    if not _teller.add(partial(send_signal, signal, task, **told)):
        logger.error("receivers of %r are too slow, and miss one call", signal)
