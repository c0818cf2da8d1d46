"""Texts and times as people see them, wherever they look."""

from __future__ import annotations

import math
import time

# The command imports this module each time: it imports no operation.

#: What there is to choose from: states of holders, and verdicts on them.
STATES = ("pending", "running", "called", "held")
VERDICTS = ("alive", "dead", "unknown")


def shown(value: object) -> str:
    """Return a text as a terminal or a page may show it.

    Names of tasks and workers, ids and values come from outside, and what they hold
    must not move the cursor, turn the direction of the text or end the line.
    """
    text = str(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def duration(seconds: float | None) -> str:
    """Return a duration for people: ``4.2 s``, ``3 min``, ``2 h``, ``5 d``."""
    if seconds is None:
        return "-"
    if seconds == math.inf:  # somebody took the end from the lock, in the store
        return "no end"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.1f} s"


def ago(moment: float | None) -> str:
    """Return how long ago a moment was, in seconds since 1970."""
    return "-" if moment is None else f"{duration(time.time() - moment)} ago"
