"""The counters within one process, as memory keeps them."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cachetools import TTLCache

from .counting import KEPT, REMEMBERED, CountedMinute, Counter, minute_of

#: What was counted in one minute.
Minute = dict[Counter, float]


class MemoryCounters:
    """Counters by prefix and minute; those that are old end by themselves.

    Arguments:
        timer: returns seconds that never go back.
    """

    def __init__(self, timer: Callable[[], float]) -> None:
        self._timer = timer
        self._begun = time.time() - timer()
        self._minutes = _cache(timer, (KEPT + 1) * 60)
        self._flushes = _cache(timer, REMEMBERED)

    def now(self) -> float:
        """Return seconds since 1970, which never go back."""
        return self._begun + self._timer()

    def add(self, flush: str, amounts: Mapping[Counter, float], prefix: str) -> None:
        """Add amounts, unless this flush was added."""
        if (prefix, flush) in self._flushes:
            return
        self._flushes[prefix, flush] = True
        place = prefix, minute_of(self.now())
        minute: Minute = self._minutes.setdefault(place, defaultdict(float))
        for counter, amount in amounts.items():
            minute[counter] += amount

    def of_minute(self, minute: int, prefix: str) -> Iterator[CountedMinute]:
        """Yield what was counted in one minute."""
        found: Minute = self._minutes.get((prefix, minute), {})
        for (task, name), amount in found.items():
            yield CountedMinute(minute, task, name, amount)


def _cache(timer: Callable[[], float], seconds: float) -> TTLCache[Any, Any]:
    # Unbounded: what is dropped before its time would be missing in a sum.
    return TTLCache(maxsize=math.inf, ttl=seconds, timer=timer)
