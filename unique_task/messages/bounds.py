"""How much a message may ask for: whoever can publish can write any header."""

from __future__ import annotations

import time
from typing import Any

#: Seconds for which a call may ask to block its key, or to keep its value. The options
#: of the task may say more: they are code, and no message.
LONGEST = 31 * 86400.0

#: Seconds between two returns of a message that waits: at least, and at most if a
#: message says so.
SHORTEST_PAUSE = 0.1
LONGEST_PAUSE = 86400.0

#: How often a message may say that it has waited: by then pauses do not grow any more.
_MOST_WAITS = 10**6


def count(value: Any) -> int:
    """Return how often a message says that it has waited.

    Raises:
        TypeError, ValueError: if it says nothing of the kind.
    """
    if not isinstance(value, int):
        raise TypeError(f"{type(value).__qualname__} is no count")
    return min(max(value, 0), _MOST_WAITS)


def moment(value: Any) -> float:
    """Return since when a message says that it waits, in seconds since 1970.

    Raises:
        TypeError, ValueError: if it says nothing of the kind.
    """
    if not isinstance(value, (int, float)) or not value >= 0:
        raise ValueError("no moment after 1970")
    # A wait that begins in the future would never end by its timeout.
    return float(min(value, time.time()))
