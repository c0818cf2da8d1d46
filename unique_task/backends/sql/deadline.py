"""Ends what a thread asks a database when the operation's time is over."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from threading import local
from typing import Any, TypeVar

Result = TypeVar("Result")

#: When the operation of this thread must end, by the monotonic clock.
_deadline = local()


def limited(timeout: float, work: Callable[[], Result]) -> Result:
    """Do `work`, and give all that it asks a database `timeout` seconds.

    Work inside other such work has the time of that.
    """
    if seconds_left() < math.inf:
        return work()
    # Not a context manager: a signal may break off between its beginning and its block.
    # All that this thread asks later would come after the deadline.
    try:
        _deadline.end = time.monotonic() + timeout
        return work()
    finally:
        _deadline.end = math.inf


def seconds_left() -> float:
    """Return the seconds left before the deadline; infinity outside such work."""
    end: float = getattr(_deadline, "end", math.inf)
    return end - time.monotonic()


def check_time(*_: Any) -> None:
    """Raise an error after the deadline; an engine calls it before each statement."""
    # Each answer may come within its own limit, and all together too late.
    if seconds_left() < 0:
        raise TimeoutError("the database is too slow")
