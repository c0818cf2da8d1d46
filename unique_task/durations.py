"""Reads the durations that users write, in seconds."""

from __future__ import annotations

from datetime import timedelta
from typing import Union

from .exceptions import ConfigurationError

#: Types that options and settings accept for a duration.
Duration = Union[int, float, timedelta]

#: A thousand years. Beyond it clocks and stores overflow.
_LONGEST = 1000 * 366 * 86400


def seconds(name: str, value: object, *, zero: bool = False) -> float:
    """Return the duration `value` in seconds.

    Arguments:
        name: of the option, for the error.
        zero: allow 0 too.

    Raises:
        ConfigurationError: if `value` is not a finite duration above 0.
    """
    number = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(number, (int, float)) and not isinstance(number, bool):
        # Compared with the bounds before float(): an int may be too large for a float.
        if (0 < number <= _LONGEST) or (zero and number == 0):
            return float(number)
    raise ConfigurationError(
        f"{name}={value!r}: must be a number of seconds or a timedelta, "
        f"{'0 or more' if zero else 'more than 0'}, and a thousand years at most"
    )
