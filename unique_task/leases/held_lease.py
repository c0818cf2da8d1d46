"""A lock that a running attempt holds, as the keeper and the task's body see it."""

from __future__ import annotations

import logging
import math
import os
import time
from dataclasses import InitVar, dataclass, field, replace
from threading import RLock
from typing import Any

from ..backends.base import Backend
from ..backends.record import Record
from ..backends.renewing import ReleasedBy, Renewal, RenewAnswer, Renewed
from ..backends.steps import Heir, Release
from ..counting import names
from ..counting.tally import count
from ..durations import Duration
from ..durations import seconds as in_seconds
from ..exceptions import LockStoreError
from ..signals import lock_acquired, lock_lost, lock_released, send_signal
from .aside import send_in_thread
from .background import release_or_later
from .departure import Departure
from .keeper import StoreKeeper, keeper
from .lease import Lease
from .losses import OVER, loss_at_end, loss_by

logger = logging.getLogger(__name__)


@dataclass(eq=False, repr=False)
class HeldLease(Lease):
    """A lock that this attempt holds, and may count on until its lease ends.

    Attributes:
        lock: name under which the store keeps the lock.
        expire: seconds of a lease, from its last renewal.
        asked_at: when the store was asked for the lock, by the monotonic clock.
        renew: whether the lock is renewed while the body runs.
        finished_for: seconds for which the store remembers that the attempt has
            finished; 0 if its message cannot come again.
        remember_for: seconds from each renewal on for which the store remembers that
            the attempt got the lock.
        limit: how many attempts may hold the lock at once.
        heir: who gets the lock when it is released: the task's next try.
        successor: who gets it if there is no heir: a call that waits for this one.
        renew_at: when the keeper renews it next.
        step, kept_by: see :class:`.Renewable`.
    """

    task: Any
    request: Any
    owner: str
    backend: Backend
    key: str
    lock: str
    record: Record
    fence: int | None
    expire: float
    asked_at: InitVar[float]
    renew: bool = False
    held_to_end: bool = False
    value_ttl: float | None = None
    finished_for: float = 0.0
    remember_for: float = 0.0
    limit: int = 1
    heir: Heir | None = field(default=None, init=False)
    successor: Heir | None = field(default=None, init=False)
    kept_by: StoreKeeper | None = field(default=None, init=False)
    _loss: str = field(default="", init=False)
    #: What it means if the time of the lease is over.
    _over: str = field(default=OVER, init=False)
    _extended: float = field(default=-math.inf, init=False)

    def __post_init__(self, asked_at: float) -> None:
        self.step = RLock()
        # Counted from before the question: the store's clock started later.
        self._since, self._end = asked_at, asked_at + self.expire
        self.renew_at = asked_at + self.interval
        self._process = os.getpid()

    def is_on(self, key: str, backend: Backend | None) -> bool:
        """Tell whether this is the lock of `key` in `backend`, and not released."""
        return self.key == key and not self.released and backend in (None, self.backend)

    @property
    def loss(self) -> str:
        if not self._loss and not self.released and not self.remaining():
            self.note_loss(self._over)
        return self._loss

    @property
    def interval(self) -> float:
        """Seconds between two renewals: two may fail before the lease ends."""
        return self.expire / 3

    @property
    def _in_fork(self) -> bool:
        """True in a fork of the body: the lock is its parent's."""
        return os.getpid() != self._process

    def remaining(self) -> float:
        return 0.0 if self.released else self._left()

    def _left(self) -> float:
        return max(0.0, self._end - time.monotonic())

    def extend(self, seconds: Duration) -> bool:
        duration = in_seconds("seconds", seconds)
        if self._in_fork:
            return False
        with self.step:
            loss = self._extend(duration)
        if loss is not None:
            self.note_loss(loss)
        return not (self.released or self.lost)

    def _extend(self, duration: float) -> str | None:
        # A lock that another task has taken is not ours, even when it is free again.
        if self.released or self.renew_at == math.inf:
            return None
        asked_at = time.monotonic()
        end = asked_at + duration
        [outcome] = self.backend.renew([self.renewal(asked_at, end)])
        if outcome is Renewed.UNKNOWN:
            raise LockStoreError(f"{self.backend.name}: the lock was not extended")
        self._extended = max(self._extended, end)
        return self.renewed(outcome, asked_at)

    def renewal(self, now: float, end: float = -math.inf) -> Renewal:
        """Return the renewal to ask the store for at `now`.

        Arguments:
            end: until when the lock has to stand at least.
        """
        expire = max(self.expire, self._extended - now, end - now)
        # If the lock is extended, the mark lasts as long.
        remember_for = self.remember_for and max(self.remember_for, expire)
        return Renewal(
            self.lock, self.record, self.fence, expire, remember_for, limit=self.limit
        )

    def renewed(self, outcome: RenewAnswer, asked_at: float) -> str | None:
        """Note the outcome of a renewal for which the store was asked then.

        Returns:
            How the lock was lost; None if it was not.
        """
        loss, released = loss_by(outcome), isinstance(outcome, ReleasedBy)
        if loss and (released or outcome is Renewed.TAKEN):
            # The reason first: the body may look at any time.
            self._over = loss
            self._end, self.renew_at = asked_at, math.inf
        elif outcome is not Renewed.UNKNOWN:
            self._end = asked_at + self.renewal(asked_at).expire
            self.renew_at = asked_at + self.interval
        if released:
            self._depart()
            if self.departure is not None:
                # Whoever released the lock left the mark for the rest of its lease.
                self.departure.renew_at = asked_at
                keeper.add(self.departure)
        return loss

    def send_acquired(self) -> None:
        send_signal(lock_acquired, self.task, lock=self)

    def send_released(self) -> None:
        """Send the signal ``lock_released``."""
        send_signal(lock_released, self.task, lock=self)

    def note_loss(self, reason: str, *, in_thread: bool = False) -> None:
        """Note that the lock is lost: log it and send the signal ``lock_lost``, once.

        Arguments:
            in_thread: send the signal in another thread, without waiting for receivers.
        """
        known, self._loss = self._loss, self._loss or reason
        # A fork does not see the renewals, and only counts the time.
        if known or self._in_fork:
            return
        count(self.backend, self.record.task, names.LOST)
        logger.warning("%s[%s] lost its lock: %s", self.task.name, self.owner, reason)
        (send_in_thread if in_thread else send_signal)(lock_lost, self.task, lock=self)

    def release(self) -> bool:
        self.successor = None  # it waits in the queue, like any other call
        return self.end(leaves=True) is True

    def end(self, value: bytes | None = None, *, leaves: bool = False) -> bool | None:
        if self.released or self._in_fork:
            return False
        keeper.remove(self)
        with self.step:
            if self.released:
                return False
            if leaves:
                self._leave()
            self.released = True
            release = self._release_step(value)
            held = release_or_later(
                self.backend, release, self.task, self.owner, self._end
            )
        if self.departure is not None:
            keeper.add(self.departure)
        self._count_run(answered=held is not None)
        if held is False and not self._loss:
            self.note_loss(loss_at_end(self.backend, self.lock, self.record.token))
        if held is not None:
            self.send_released()
        return held

    def _count_run(self, *, answered: bool) -> None:
        backend, task = self.backend, self.record.task
        count(backend, task, names.RUNS, time.monotonic() - self._since)
        if not answered:
            count(backend, task, names.STORE_ERRORS)

    def _release_step(self, value: bytes | None) -> Release:
        """Return the step that releases the lock in the store."""
        leaving = self.departure.leaving if self.departure is not None else None
        fresh_for, token = self.value_ttl or 0, self.record.token
        # By position: names would cost more than all the rest.
        return Release(
            self.lock, token, value, fresh_for, 0, self.heir, leaving, self.limit
        )

    def _leave(self) -> None:
        # Not if the body is broken off: it may run again, and before its successor.
        self.heir = self.heir or self.successor
        self._depart()

    def _depart(self) -> None:
        """From here on, a mark keeps a second delivery of the message from running."""
        if self.finished_for and self.departure is None:
            record, limit = replace(self.record, fence=self.fence), self.limit
            self.departure = Departure(
                self.backend, self.lock, record, self.expire, self.finished_for, limit
            )
