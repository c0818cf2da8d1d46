"""What a process has counted for one store, and has yet to bring there."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from itertools import islice
from uuid import uuid4

from ..backends.counting import REMEMBERED, Counter, Counts
from ..exceptions import LockStoreError, LockStoreRefusedError
from .names import SECONDS_OF

logger = logging.getLogger(__name__)

#: Counters that a store gets at once; more would keep it from other work.
_BATCH = 500

#: Seconds for which one flush is tried: the store must remember it to the end.
_PATIENCE = REMEMBERED - 60


@dataclass(frozen=True)
class Flush:
    """Amounts on their way to the store, which may have them already."""

    amounts: dict[Counter, float]
    name: str = field(default_factory=lambda: uuid4().hex)
    began: float = field(default_factory=time.monotonic)

    @property
    def in_time(self) -> bool:
        """True as long as the store counts it once, however often it is repeated."""
        return time.monotonic() < self.began + _PATIENCE


class Ledger:
    """Adds amounts up, and brings them to the store in one flush after the other.

    A flush that fails may have been counted. So it is repeated as it was, and what is
    counted meanwhile waits for the next one::

        flush 1  sent, no answer   sent once more: counted, or known already
        flush 2  .......... adds up .......................................  sent

    Memory is bounded, for however long the store is away: there is one flush, and one
    amount for each counter of a task.

    Attributes:
        away: whether the store did not answer the last time.
    """

    def __init__(self, store: Counts) -> None:
        self.away = False
        self._store = store
        self._amounts: dict[Counter, float] = {}
        self._flush: Flush | None = None

    @property
    def is_empty(self) -> bool:
        return not (self._amounts or self._flush)

    def add(self, task: str, counter: str, seconds: float | None) -> None:
        """Add what :meth:`.Tally.count` has counted."""
        self._add(task, counter, 1.0)
        if seconds is not None:
            self._add(task, SECONDS_OF[counter], seconds)

    def _add(self, task: str, counter: str, amount: float) -> None:
        known = self._amounts.get((task, counter), 0.0)
        self._amounts[task, counter] = known + amount

    def flush(self) -> None:
        """Bring to the store what it does not have yet.

        Raises:
            LockStoreRefusedError: if a person has to mend the store. No other error.
        """
        try:
            while not self.is_empty:
                self._flush_next()
            self.away = False
        except LockStoreRefusedError:
            raise
        except LockStoreError as error:
            if not self.away:
                logger.warning("counters are brought to their store later: %s", error)
            self.away = True
        except Exception:
            logger.exception("%s: a flush of counters is dropped", self._store.name)
            self._flush = None

    def _flush_next(self) -> None:
        if self._flush is None:
            self._flush = Flush(self._take())
        if self._flush.in_time:
            self._store.count(self._flush.name, self._flush.amounts)
        else:
            # Raises while the store is away: the flush that may be lost stays the only
            # one, for hours.
            self._store.counted(1)
            logger.warning(
                "%s: %d counters of one flush are dropped: the store did not answer "
                "for %d s, and may have them already",
                *(self._store.name, len(self._flush.amounts), _PATIENCE),
            )
        self._flush = None

    def _take(self) -> dict[Counter, float]:
        """Return the next amounts for the store, the oldest counters first."""
        amounts = dict(islice(self._amounts.items(), _BATCH))
        for counter in amounts:
            del self._amounts[counter]
        return amounts
