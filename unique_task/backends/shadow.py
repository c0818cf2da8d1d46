"""The locks of shadow mode: in the same store, under names of their own.

Shadow mode counts what would have been a duplicate. Were its locks the real ones, a
process that enforces them, as in a rolling switch, would drop calls for the sake of a
count. So neither of the two sees the locks of the other.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from ..exceptions import LockRecordError, LockStoreError
from .base import Backend
from .counting import CountedMinute, Counter
from .prefixed import PrefixedBackend
from .steps import (
    Held,
    Release,
    Renewal,
    RenewAnswer,
    Renewed,
    Reserved,
    StoreAnswer,
    Stored,
)

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

#: What the names of locks begin with, after the prefix of the project. A wire format:
#: all processes in shadow mode share the locks.
_PREFIX = "unique-shadow:"

#: Seconds for which a store that did not answer is left alone: at first, at most.
_PAUSE = 5.0
_LONGEST_PAUSE = 60.0


class ShadowBackend(PrefixedBackend):
    """The locks of shadow mode in a store; no trouble of theirs concerns a task.

    A store that does not answer is left alone for some seconds, so that not each call
    waits for it. It is logged once, until the store answers again.

    Arguments:
        store: keeps the locks.
        timer: a clock that never goes back.
    """

    def __init__(
        self, store: Backend, timer: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(store, _PREFIX)
        self.name = f"{store.name} (shadow)"
        self._timer = timer
        self._pause = self._alone_until = 0.0

    def acquire(self, *question: Any, **options: Any) -> StoreAnswer:
        return self._asked(super().acquire, *question, **options)

    def reserve(self, *question: Any, **options: Any) -> Reserved | Held | Stored:
        return self._asked(super().reserve, *question, **options)

    def renew(self, renewals: Sequence[Renewal]) -> list[RenewAnswer]:
        try:
            return self._asked(super().renew, renewals)
        except LockStoreError:
            # Nobody has lost anything. The next renewal takes the locks again.
            return [Renewed.HELD] * len(renewals)

    def release_as(self, left: Release) -> bool:
        return self._asked(super().release_as, left)

    def get(self, key: str) -> Held | None:
        return self._asked(super().get, key)

    def holders(self, key: str) -> list[Held]:
        return self._asked(super().holders, key)

    # The counters are those of the store: whoever reads them sees all processes, also
    # those that enforce locks.
    def _count(self, flush: str, amounts: Mapping[Counter, float], prefix: str) -> None:
        self._counting_store._count(flush, amounts, prefix)

    def _counted_pages(
        self, minutes: range, prefix: str
    ) -> Iterator[Sequence[CountedMinute]]:
        return self._counting_store._counted_pages(minutes, prefix)

    def _asked(
        self, ask: Callable[..., Answer], *question: Any, **options: Any
    ) -> Answer:
        if self._timer() < self._alone_until:
            raise LockStoreError(f"{self.name}: it did not answer a moment ago")
        try:
            answer = ask(*question, **options)
        except LockRecordError:  # the store did answer
            raise
        except LockStoreError as error:
            self._leave_alone(error)
            raise
        if self._pause:
            self._pause = 0.0
            logger.info("%s answers again", self.name)
        return answer

    def _leave_alone(self, error: LockStoreError) -> None:
        if not self._pause:
            logger.warning("duplicates are not counted for a while: %s", error)
        self._pause = min(_LONGEST_PAUSE, 2 * self._pause or _PAUSE)
        self._alone_until = self._timer() + self._pause


def shadow_of(backend: Backend) -> ShadowBackend:
    """Return the locks of shadow mode in the store of `backend`, always the same."""
    known: ShadowBackend | None = vars(backend).get("_shadow")
    if known is not None:
        return known
    made: ShadowBackend = vars(backend).setdefault("_shadow", ShadowBackend(backend))
    return made


def is_of_shadow(backend: Backend) -> bool:
    """Tell whether a backend has locks of shadow mode; it logs its trouble itself."""
    return isinstance(backend, ShadowBackend)
