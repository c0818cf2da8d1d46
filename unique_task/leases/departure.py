"""An attempt whose body has ended, until its outcome is stored."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from threading import RLock

from ..backends.base import Backend
from ..backends.record import Record
from ..backends.shadow import is_of_shadow
from ..backends.steps import Leaving, Renewal, RenewAnswer, Renewed
from ..exceptions import LockStoreError
from .keeper import StoreKeeper, keeper

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Departure:
    """Keeps a second delivery of a message from running while the first one leaves.

    The attempt releases its lock when its body ends: a caller that sees the outcome can
    run the next call. In place of the lock, the store keeps a mark of the attempt::

        first   body ends, releases the lock, leaves
                    sends callbacks, stores the outcome ............ has finished
        second                    arrives: the first is alive, waits
        third                                                          does not run

    If the first dies in between, the second runs: at once if it sees that the process
    is gone, else when nothing has renewed the mark for one lease.

    Attributes:
        lock: name under which the store keeps the lock.
        record: of that lock, with its fence.
        expire: seconds for which the attempt counts as alive after the last renewal.
        finished_for: seconds for which the store remembers that it has finished.
        limit: under which the lock was taken.
        released: whether the mark has ended, or is becoming a finished mark.
    """

    backend: Backend
    lock: str
    record: Record
    expire: float
    finished_for: float
    limit: int = 1
    renew_at: float = 0.0
    step: RLock = field(default_factory=RLock, init=False)
    released: bool = field(default=False, init=False)
    kept_by: StoreKeeper | None = field(default=None, init=False)
    _end: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self.renewed(Renewed.HELD, time.monotonic())

    @property
    def leaving(self) -> Leaving:
        """The mark that the store keeps from the release of the lock on."""
        return Leaving(self.record, self.expire)

    @property
    def interval(self) -> float:
        """Seconds between two renewals; see :attr:`.HeldLease.interval`."""
        return self.expire / 3

    def remaining(self) -> float:
        """Return for how many seconds the attempt surely counts as alive."""
        return max(0.0, self._end - time.monotonic())

    def renewal(self, now: float) -> Renewal:
        """Return the renewal to ask the store for."""
        record = self.record
        return Renewal(self.lock, record, record.fence, self.expire, leaving=True)

    def renewed(self, outcome: RenewAnswer, asked_at: float) -> None:
        """Note the outcome of a renewal for which the store was asked then."""
        if outcome is not Renewed.UNKNOWN:
            self._end = asked_at + self.expire
            self.renew_at = asked_at + self.interval

    def note_loss(self, reason: str, *, in_thread: bool) -> None:
        """Log that a second delivery may run; no signal, as the body has ended."""
        logger.warning(
            "%s is leaving, and may run again: %s", self.record.owner, reason
        )

    def end(self, finished: bool) -> None:
        """End the mark of the attempt, or make it a finished mark; never raise.

        Arguments:
            finished: whether a second delivery of the message must not run.
        """
        keeper.remove(self)
        try:
            with self.step:
                self.released = True
                self.backend.release(
                    self.lock,
                    self.record.token,
                    finished_for=self.finished_for if finished else 0,
                    leaving=None if finished else Leaving(self.record, 0),
                    limit=self.limit,
                )
        except LockStoreError as error:
            owner = self.record.owner
            if not is_of_shadow(self.backend):
                logger.warning("%s may run if it comes again: %s", owner, error)
