"""An alarm that interrupts a test's thread, to the microsecond."""

import signal
import time
from collections.abc import Callable

import pytest

#: Python drops what an alarm raises inside a callback of a weak reference, and pytest
#: would fail the test for that.
IN_CALLBACKS = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)


class Alarm:
    """Calls `handle` in the middle of the block after some seconds, at most once.

    It borrows the timer that ends a test that hangs, and returns it when it rings, or
    with the end of the block: what hangs after an interrupt ends in time.
    """

    def __init__(self, seconds: float, handle: Callable[[], object]) -> None:
        self._seconds = seconds
        self._handle = handle
        self.has_rung = False

    def __enter__(self) -> "Alarm":
        self._before = signal.getsignal(signal.SIGALRM)
        self._left = signal.getitimer(signal.ITIMER_REAL)[0]
        self._began = time.monotonic()
        signal.signal(signal.SIGALRM, self._ring)
        signal.setitimer(signal.ITIMER_REAL, self._seconds)
        return self

    def __exit__(self, *_: object) -> None:
        # It rings before the next step, or never.
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._return_timer()

    def _ring(self, *_: object) -> None:
        self._return_timer()
        self.has_rung = True
        self._handle()

    def _return_timer(self) -> None:
        signal.signal(signal.SIGALRM, self._before)
        if self._left:
            left = self._left - (time.monotonic() - self._began)
            signal.setitimer(signal.ITIMER_REAL, max(left, 0.001))
