"""A backend that puts a prefix before every key, so that projects can share a store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from ..exceptions import ConfigurationError
from .base import Backend
from .counting import CountedMinute, Counter, Counts
from .findings import Finding
from .listing import ListedLock, Lists
from .remembering import Remembered, Remembers
from .steps import (
    Acquisition,
    Held,
    Release,
    Renewal,
    RenewAnswer,
    Reservation,
    Reserved,
    StoreAnswer,
    Stored,
)

Question = TypeVar("Question", Acquisition, Reservation, Release, Renewal)

#: Letters of a prefix; with a key behind it there is room for the longest of any store.
LONGEST = 64


def checked_prefix(setting: str, prefix: object) -> str:
    """Return a prefix that every store can use.

    Raises:
        ConfigurationError: for any other value.
    """
    if (
        isinstance(prefix, str)
        and len(prefix) <= LONGEST
        and prefix.isprintable()
        and "{}" not in prefix
    ):
        return prefix
    raise ConfigurationError(
        f"{setting}={prefix!r}: must be a string of at most {LONGEST} letters that can "
        'be printed, without "{}", such as "shop:"'
    )


class PrefixedBackend(Lists, Counts, Remembers):
    """Another backend with a prefix before every key.

    Arguments:
        store: keeps the locks.
        prefix: of its keys.
    """

    def __init__(self, store: Backend, prefix: str) -> None:
        self.name = f"{store.name} (prefix {prefix!r})"
        self._prefix = prefix
        self._take_over(store)

    def _take_over(self, store: Backend) -> None:
        """Use `store`, and have all its properties that do not depend on the keys."""
        self.store = store
        self.shared = store.shared
        self.timeout = store.timeout
        self.driver_errors = store.driver_errors
        self.promises = store.promises
        self._turns = store._turns

    @classmethod
    def from_url(cls, url: str, timeout: float) -> Backend:
        raise NotImplementedError("Backend.with_prefix() makes it")

    def _identity(self) -> str:
        return f"{self.store._identity()}{self._prefix and f'/{self._prefix}'}"

    def current(self) -> Backend:
        store = self.store.current()
        return self if store is self.store else store.with_prefix(self._prefix)

    def findings(self) -> list[Finding]:
        # A class below may promise less than the store does.
        known = self.store.promises.finding()
        of_store = [one for one in self.store.findings() if one != known]
        return [self.promises.finding(), *of_store]

    def check(self) -> None:
        self.store.check()

    def _acquire(self, wanted: Acquisition) -> StoreAnswer:
        return self.store._acquire(self._with_own_key(wanted))

    def _reserve(self, wanted: Reservation) -> Reserved | Held | Stored:
        return self.store._reserve(self._with_own_key(wanted))

    def _restore(self, key: str, token: str, held: Held) -> bool:
        return self.store._restore(self._prefix + key, token, held)

    def _renew(self, renewals: Sequence[Renewal]) -> Sequence[RenewAnswer]:
        return self.store._renew([self._with_own_key(renewal) for renewal in renewals])

    def _release(self, release: Release) -> bool:
        return self.store._release(self._with_own_key(release))

    def _released_by(self, key: str, token: str) -> str | None:
        return self.store._released_by(self._prefix + key, token)

    def _get(self, key: str) -> Held | None:
        return self.store._get(self._prefix + key)

    def _holders(self, key: str) -> list[Held]:
        return self.store._holders(self._prefix + key)

    def _remembered(self, key: str, tokens: Sequence[str]) -> Remembered | None:
        if not isinstance(self.store, Remembers):
            return None
        return self.store._remembered(self._prefix + key, tokens)

    def _pages(self, size: int, prefix: str) -> Iterator[Sequence[ListedLock]]:
        assert isinstance(self.store, Lists)  # its promises say so
        return self.store._pages(size, self._prefix + prefix)

    def _count(self, flush: str, amounts: Mapping[Counter, float], prefix: str) -> None:
        self._counting_store._count(flush, amounts, self._prefix + prefix)

    def _try_to_count(self) -> None:
        self._counting_store._try_to_count()

    def _now(self) -> float:
        return self._counting_store._now()

    def _counted_pages(
        self, minutes: range, prefix: str
    ) -> Iterator[Sequence[CountedMinute]]:
        return self._counting_store._counted_pages(minutes, self._prefix + prefix)

    @property
    def _counting_store(self) -> Counts:
        assert isinstance(self.store, Counts)  # its promises say so
        return self.store

    def _refuses(self, error: Exception) -> bool:
        return self.store._refuses(error)

    def _reason(self, error: Exception) -> str:
        return self.store._reason(error)

    def _with_own_key(self, question: Question) -> Question:
        if not self._prefix:
            return question
        return replace(question, key=self._prefix + question.key)
