"""An attempt that is out of its body, until its outcome is stored."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field

from ..backends.base import Backend
from ..backends.record import Record
from ..backends.steps import Leaving, Renewal, Renewed
from ..exceptions import LockStoreError
from .keeper import keeper
from .one_step import OneStep

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Departure:
    """Keeps a second delivery of a message from running while the first one leaves.

    The lock is free from the end of the body on: when a caller sees the outcome, the
    next call can run. The store knows of the attempt instead::

        first   body ends, releases the lock, leaves
                    sends callbacks, stores the outcome ............ has finished
        second                    arrives: the first is alive, waits
        third                                                          does not run

    If the first dies in between, the second runs: at once if it sees that the process
    is gone, else when the departure has not been renewed for one lease.

    Attributes:
        lock: under what the store has the lock.
        record: of that lock, with its fence.
        expire: seconds for which the attempt counts as alive after the last renewal.
        remember: seconds for which it is known that it has finished.
    """

    backend: Backend
    lock: str
    record: Record
    expire: float
    remember: float
    renew_at: float = 0.0
    step: OneStep = field(default_factory=OneStep, init=False)
    _end: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self.renewed(Renewed.HELD, time.monotonic())

    @property
    def leaving(self) -> Leaving:
        """What the store remembers from the release of the lock on."""
        return Leaving(self.record, self.expire)

    @property
    def interval(self) -> float:
        """Seconds between two renewals; see :class:`.Lease`."""
        return self.expire / 3

    def remaining(self) -> float:
        """Return for how many seconds the attempt surely counts as alive."""
        return max(0.0, self._end - time.monotonic())

    def renewal(self, now: float) -> Renewal:
        """Return what to ask the store for."""
        record = self.record
        return Renewal(self.lock, record, record.fence, self.expire, leaving=True)

    def renewed(self, outcome: Renewed, asked: float) -> None:
        """Note the outcome of the renewal that was `asked` for then."""
        if outcome is not Renewed.UNKNOWN:
            self._end = asked + self.expire
            self.renew_at = asked + self.interval

    def note_loss(self, reason: str, *, in_thread: bool) -> None:
        """Note that a second delivery may run; the body is over, and need not know."""
        logger.warning("%s leaves, and may run again: %s", self.record.owner, reason)

    def end(self, finished: bool) -> None:
        """Tell the store that the attempt is over.

        Never raises: the task's own outcome counts.

        Arguments:
            finished: whether a second delivery of the message has nothing to run.
        """
        keeper.remove(self)
        try:
            with self.step:
                self.step.over = True
                self.backend.release(
                    self.lock,
                    self.record.token,
                    finished_for=self.remember if finished else 0,
                    leaving=None if finished else Leaving(self.record, 0),
                )
        except LockStoreError as error:
            owner = self.record.owner
            logger.warning("%s may run if it comes again: %s", owner, error)
