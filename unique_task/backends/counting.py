"""Backends whose stores keep counters: how much of what happened in each minute."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..exceptions import ConfigurationError, LockStoreRefusedError
from .base import Backend
from .findings import Finding, Level
from .operation import in_turn

#: Minutes for which a store keeps what was counted.
KEPT = 6 * 60

#: Seconds for which a store remembers a flush. One that is repeated later counts twice.
REMEMBERED = 600

_ADVICE = "give our user of the store that right"

#: The name of a task, and the name of one of its counters.
Counter = tuple[str, str]


class CountedMinute(NamedTuple):
    """What one counter of a task had counted in a minute.

    Attributes:
        minute: since 1970, by the store's clock.
        task: name of the task.
        name: of the counter.
        amount: all that was counted in this minute.
    """

    minute: int
    task: str
    name: str
    amount: float


@dataclass(frozen=True)
class Counted:
    """What was counted in the last minutes.

    Attributes:
        now: seconds since 1970, by the store's clock.
        rows: at most one for each minute and counter, in no order, as they come in. To
            read them raises LockStoreError if the store does not answer.
    """

    now: float
    rows: Iterator[CountedMinute]


class Counts(Backend):
    """A backend that keeps counters, if its promises say so as well.

    To write one, implement the hooks :meth:`_count`, :meth:`_now` and
    :meth:`_counted_pages`, and promise ``counts=True``. A backend that stands before
    another one promises what that does.
    """

    def count(self, flush: str, amounts: Mapping[Counter, float]) -> None:
        """Add amounts to the counters of this minute, by the store's clock.

        Arguments:
            flush: names these amounts. However often a client repeats a flush whose
                answer was lost, it counts once; so for :data:`REMEMBERED` seconds.
            amounts: by the names of task and counter. That of a counter has no blank.

        Raises:
            ConfigurationError: if the store keeps no counters.
            ValueError: if an amount is negative or no finite number.
            LockStoreError: if the store does not answer; it may have counted.
        """
        self._check_counts()
        for counter, amount in amounts.items():
            _check(counter, amount)
        if amounts:
            in_turn(self, self._count, flush, amounts, "")

    def counted(self, minutes: int = KEPT) -> Counted:
        """Return what was counted in the last `minutes`, this one included.

        Counters with another prefix are not returned.

        Raises:
            ConfigurationError: if `minutes` is no such number; if the store keeps no
                counters.
            LockStoreError: if the store does not answer.
        """
        if type(minutes) is not int or not 1 <= minutes <= KEPT:
            raise ConfigurationError(
                f"minutes={minutes!r}: must be a whole number from 1 to {KEPT}"
            )
        self._check_counts()
        now = in_turn(self, self._now)
        last = minute_of(now)
        found = range(last - minutes + 1, last + 1)
        return Counted(now, self._rows(self._counted_pages(found, "")))

    def findings(self) -> list[Finding]:
        """Return what may end a lock early, and whether the store lets us count."""
        found = super().findings()
        return [*found, self._counting()] if self.promises.counts else found

    def _counting(self) -> Finding:
        try:
            in_turn(self, self._try_to_count)
        except LockStoreRefusedError as error:
            reason = str(error).removeprefix(f"{self.name}: ")
            found = f"locks are kept, but nothing is counted: {reason}"
            return Finding("counters", Level.WARN, found, _ADVICE, at_start=False)
        found = f"counters of tasks are kept for {KEPT // 60} hours"
        return Finding("counters", Level.OK, found, at_start=False)

    def _rows(
        self, pages: Iterator[Sequence[CountedMinute]]
    ) -> Iterator[CountedMinute]:
        while (page := in_turn(self, next, pages, None)) is not None:
            yield from page

    def _check_counts(self) -> None:
        if not self.promises.counts:
            raise ConfigurationError(
                f"{self.name}: the store keeps no counters: use another store"
            )

    @abstractmethod
    def _count(self, flush: str, amounts: Mapping[Counter, float], prefix: str) -> None:
        """Add amounts to the counters with a prefix in one step, if `flush` is new.

        A flush with another prefix is another flush.
        """

    def _try_to_count(self) -> None:
        """Do what counting needs, and leave nothing; a missing right is an error.

        A store in which each user may do everything need not override this.
        """

    @abstractmethod
    def _now(self) -> float:
        """Return seconds since 1970, by the clock that tells the minutes."""

    @abstractmethod
    def _counted_pages(
        self, minutes: range, prefix: str
    ) -> Iterator[Sequence[CountedMinute]]:
        """Return what the counters with a prefix have, page by page.

        To make a page is one operation, in its time; between two pages nothing in the
        store may be open. A page may be empty.
        """


def minute_of(seconds: float) -> int:
    """Return the minute since 1970."""
    return int(seconds // 60)


def counter_of(backend: Backend) -> Counts | None:
    """Return `backend` if it keeps counters, None if its store cannot."""
    if isinstance(backend, Counts) and backend.promises.counts:
        return backend
    return None


def _check(counter: Counter, amount: float) -> None:
    _, name = counter
    if not name or " " in name:
        raise ValueError(f"{name!r}: the name of a counter is a word without blanks")
    if not (math.isfinite(amount) and amount >= 0):
        raise ValueError(f"{name}={amount!r}: an amount is a number from 0 on")
