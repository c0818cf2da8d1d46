"""Records and times, as the scripts of Redis take and return them."""

from __future__ import annotations

import math
from typing import Any

from ..record import Record
from ..steps import Held, Leaving

#: Seconds that are longer than any lock stands; as microseconds exact in a script.
EVER = 2**32


def held_of(text: bytes, milliseconds: int, admitted: int = 0) -> Held:
    # -1: somebody took the end off the key by hand.
    remaining = math.inf if milliseconds == -1 else max(milliseconds, 0) / 1000
    return Held(record_of(text), remaining, bool(admitted))


def record_of(text: bytes) -> Record:
    return Record.parse(text.decode(errors="backslashreplace"))


def milliseconds(seconds: float) -> int:
    return max(1, math.ceil(min(seconds, EVER) * 1000))


def leaving_of(leaving: Leaving | None) -> list[Any]:
    if leaving is None or not leaving.expire:
        return ["", 0]
    record = leaving.record
    return [record.text(record.fence or 0), milliseconds(leaving.expire)]
