"""Ends what a thread asks a database when the operation's time is over."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import local

#: When the operation of this thread must end, by the monotonic clock.
_deadline = local()


@contextmanager
def limited(timeout: float) -> Iterator[None]:
    """Give `timeout` seconds to all that a block asks a database.

    A block inside another such block has the time of the outer one.
    """
    if seconds_left() < math.inf:
        yield
        return
    try:
        _deadline.end = time.monotonic() + timeout
        yield
    finally:
        _deadline.end = math.inf


def seconds_left() -> float:
    """Return the seconds left before the deadline; infinity outside such a block."""
    end: float = getattr(_deadline, "end", math.inf)
    return end - time.monotonic()
