"""What a store counts, as totals that never go back while this process lives."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Set

from ..backends.counting import KEPT, Counter, Counts, minute_of

#: Minutes that are read once more: a flush may reach a minute after its end.
_AGAIN = 3


class Totals:
    """What a store has counted from the first look on.

    The store forgets each minute after some hours, so the sum of all that it knows goes
    down. Each look adds what is new to the one before::

        minute      12:00  12:01  12:02   totals
        1st look      5      2              0
        2nd look      5      3      1       2
        3rd look             3      4       5

    So they begin with 0, as a new process does for Prometheus: a first look that added
    all hours would count them again after each restart.
    """

    def __init__(self) -> None:
        self._amounts: defaultdict[Counter, float] = defaultdict(float)
        self._known: dict[tuple[int, Counter], float] = {}
        #: The first and the last minute of the latest look.
        self._from, self._last = math.inf, 0

    @property
    def amounts(self) -> Mapping[Counter, float]:
        """By the names of task and counter.

        What had been counted before the first look is there with 0.
        """
        return self._amounts

    def look(self, store: Counts) -> None:
        """Add what is new in the store.

        Raises:
            LockStoreError: if it does not answer; then nothing is added.
        """
        minutes = self._minutes(minute_of(store.counted(1).now))
        counted = store.counted(minutes)
        known = {(row.minute, (row.task, row.name)): row.amount for row in counted.rows}
        for (minute, counter), amount in known.items():
            before = self._known.get((minute, counter), 0.0)
            # Less than before: the store was emptied, or a replica took its place.
            more = max(0.0, amount - before) if minute >= self._from else 0.0
            self._amounts[counter] += more
        self._known, self._last = known, minute_of(counted.now)
        self._from = self._last - minutes + 1

    def _minutes(self, now: int) -> int:
        """Return how many minutes to read."""
        if self._from == math.inf:
            return KEPT
        # One more: the minute may end before they are read.
        return min(KEPT, max(0, now - self._last) + 2 + _AGAIN)


def added_up(
    totals: Mapping[str, Totals], told: Set[str], expected: Iterable[Counter]
) -> Mapping[str, Mapping[str, float]]:
    """Return the totals of several stores together, by task.

    A counter that is also in a store that did not tell is left out: without that part
    it would go back.

    Arguments:
        totals: of the stores, by their fingerprints.
        told: the stores that told what they have counted now.
        expected: counters that are 0 if they are in no store.
    """
    away = {one for store in totals.keys() - told for one in totals[store].amounts}
    found: defaultdict[str, defaultdict[str, float]]
    found = defaultdict(lambda: defaultdict(float))
    for task, name in set(expected) - away:
        found[task][name] = 0.0
    for store in told:
        for (task, name), amount in totals[store].amounts.items():
            if (task, name) not in away:
                found[task][name] += amount
    return found
