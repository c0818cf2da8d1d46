"""Reads what runs have left behind beside a lock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..cells import FINISHED
from ..remembering import Mark, Remembered
from .script import Script
from .script_calls import Names, seconds_of

# Keys: 1 value; 2 and more: marks of attempts.
# Returns the milliseconds left of the value, -2 if there is none; then for each mark
#   its text or false, and the milliseconds left.
LEFT_BEHIND = Script("""
local found = {redis.call('PTTL', KEYS[1])}
for i = 2, #KEYS do
  found[#found + 1] = redis.call('GET', KEYS[i])
  found[#found + 1] = redis.call('PTTL', KEYS[i])
end
return found
""")


def left_behind(
    driver: Any, names: Names, key: str, tokens: Sequence[str]
) -> Remembered:
    """Return what runs of `key` have left behind."""
    keys = [names.value(key), *(names.mark(key, token) for token in tokens)]
    left, *found = LEFT_BEHIND.run(driver, keys)
    marks = {
        token: Mark(text == FINISHED, seconds_of(milliseconds))
        for token, text, milliseconds in zip(tokens, found[::2], found[1::2])
        if text is not None
    }
    return Remembered(None if left == -2 else seconds_of(left), marks)
