"""Ends what a thread asks a database when the operation's time is over."""

from __future__ import annotations

import math
import time
from threading import local
from typing import Any

#: When the operation of this thread must end, by the monotonic clock.
_deadline = local()


class limited:  # noqa: N801 - it is used as a function
    """Give `timeout` seconds to all that a block asks a database.

    A block inside another such block has the time of the outer one.
    """

    # A context manager made of a generator would cost several times as much.
    __slots__ = ("_outermost", "_timeout")

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout

    def __enter__(self) -> None:
        self._outermost = getattr(_deadline, "end", math.inf) == math.inf
        if self._outermost:
            _deadline.end = time.monotonic() + self._timeout

    def __exit__(self, *_: object) -> None:
        if self._outermost:
            _deadline.end = math.inf


def seconds_left() -> float:
    """Return the seconds left before the deadline; infinity outside such a block."""
    end: float = getattr(_deadline, "end", math.inf)
    return end - time.monotonic()


def check_time(*_: Any) -> None:
    """Raise an error after the deadline; an engine calls it before each statement."""
    # Each answer may come within its own limit, and all together too late.
    if seconds_left() < 0:
        raise TimeoutError("the database is too slow")
