"""A lock that a running attempt holds, as the keeper and the task's body see it."""

from __future__ import annotations

import logging
import math
import os
import time
from dataclasses import replace
from typing import Any, NamedTuple

from ..backends.base import Backend
from ..backends.record import Record
from ..backends.steps import Heir, Release, Renewal, Renewed
from ..durations import Duration
from ..durations import seconds as in_seconds
from ..exceptions import LockStoreError
from ..signals import lock_acquired, lock_lost, lock_released, send_signal
from .aside import send_in_thread
from .background import release_or_later
from .departure import Departure
from .keeper import keeper
from .lease import Lease
from .one_step import OneStep

#: Outcomes of a renewal that mean that the lock was lost, and how.
_LOSSES = {
    Renewed.TAKEN: "another task holds it",
    Renewed.RETAKEN: "it had vanished from the store, and was taken again",
}

logger = logging.getLogger(__name__)


class LeaseTerms(NamedTuple):
    """Which lock an attempt has acquired, and how it holds that; this never changes.

    Attributes:
        task: that runs, with its `request`; `owner` is the id of the task.
        key: digest that the attempt holds.
        lock: name under which the store has the lock.
        fence: see :class:`.Lease`, like `held_to_end` and `value_ttl`.
        expire: seconds of a lease, from its last renewal.
        renew: whether the lock is renewed while the body runs.
        finished_for: seconds for which the store remembers that the attempt has
            finished; 0 if its message cannot come again.
        remember_for: seconds from each renewal on for which the store remembers that
            the attempt got the lock.
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
    renew: bool = False
    held_to_end: bool = False
    value_ttl: float | None = None
    finished_for: float = 0.0
    remember_for: float = 0.0


class HeldLease(Lease):
    """A lock that this attempt holds, and may count on until its lease ends.

    Arguments:
        asked: when the store was asked for the lock, by the monotonic clock.

    Attributes:
        heir: who gets the lock when it is released: the task's next try.
        successor: who gets it if there is no heir: a call that waits for this one.
        renew_at: when the keeper renews it next.
        step: keeps two threads from asking the store about it at once.
    """

    def __init__(self, terms: LeaseTerms, asked: float) -> None:
        super().__init__(terms.task, terms.request, terms.owner, terms.key, terms.fence)
        self._terms = terms
        self.backend = terms.backend
        self.record = terms.record
        self.renew = terms.renew
        self.held_to_end = terms.held_to_end
        self.value_ttl = terms.value_ttl
        self.heir: Heir | None = None
        self.successor: Heir | None = None
        self.step = OneStep()
        self._lost = False
        self._extended = -math.inf
        # Counted from before the question: the store's clock started later.
        self._end = asked + terms.expire
        self.renew_at = asked + self.interval
        self._process = os.getpid()

    def is_on(self, key: str, backend: Backend | None) -> bool:
        """Tell whether the attempt still holds `key` in `backend`; None is any."""
        return self.key == key and not self.released and backend in (None, self.backend)

    @property
    def lost(self) -> bool:
        if not self._lost and not self.released and not self.remaining():
            self.note_loss("its lease was over before it was renewed")
        return self._lost

    @property
    def interval(self) -> float:
        """Seconds between two renewals: two may fail before the lease ends."""
        return self._terms.expire / 3

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
        # What another task has taken is not ours, also once that is free again.
        if self.released or self.renew_at == math.inf:
            return None
        asked = time.monotonic()
        end = asked + duration
        [outcome] = self.backend.renew([self.renewal(asked, end)])
        if outcome is Renewed.UNKNOWN:
            raise LockStoreError(f"{self.backend.name}: the lock was not extended")
        self._extended = max(self._extended, end)
        return self.renewed(outcome, asked)

    def renewal(self, now: float, end: float = -math.inf) -> Renewal:
        """Return what to ask the store for at the time `now`, to stand until `end`."""
        expire = max(self._terms.expire, self._extended - now, end - now)
        terms = self._terms
        return Renewal(terms.lock, self.record, self.fence, expire, terms.remember_for)

    def renewed(self, outcome: Renewed, asked: float) -> str | None:
        """Note the outcome of a renewal; return why the lock is lost, if it is."""
        if outcome is Renewed.TAKEN:
            self._end, self.renew_at = asked, math.inf
        elif outcome is not Renewed.UNKNOWN:
            self._end = asked + self.renewal(asked).expire
            self.renew_at = asked + self.interval
        return _LOSSES.get(outcome)

    def send_acquired(self) -> None:
        send_signal(lock_acquired, self.task, lock=self)

    def note_loss(self, reason: str, *, in_thread: bool = False) -> None:
        """Note that the lock is lost: log it and send the signal ``lock_lost``, once.

        Arguments:
            in_thread: send the signal in another thread, without waiting for receivers.
        """
        known, self._lost = self._lost, True
        # A fork does not learn of the renewals, and only counts the time.
        if known or self._in_fork:
            return
        logger.warning("%s lost its lock: %s", self._name, reason)
        (send_in_thread if in_thread else send_signal)(lock_lost, self.task, lock=self)

    def release(self) -> bool:
        self.successor = None  # it waits, and has no rights before others
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
            self.released = self.step.over = True
            held = release_or_later(
                self.backend, self._release_step(value), self._name, self._end
            )
        if self.departure is not None:
            keeper.add(self.departure)
        if held is False:
            self.note_loss("it was not held any more when the task ended")
        if held is not None:
            send_signal(lock_released, self.task, lock=self)
        return held

    @property
    def _name(self) -> str:
        return f"{self.task.name}[{self.owner}]"

    def _release_step(self, value: bytes | None) -> Release:
        """Return the step that releases the lock in the store."""
        leaving = self.departure.leaving if self.departure else None
        return Release(
            *(self._terms.lock, self.record.token, value, self.value_ttl or 0),
            heir=self.heir,
            leaving=leaving,
        )

    def _leave(self) -> None:
        # Not where the body is broken off: it may run again, and before its successor.
        self.heir = self.heir or self.successor
        terms = self._terms
        if terms.finished_for:
            record = replace(self.record, fence=self.fence)
            args = self.backend, terms.lock, record, terms.expire, terms.finished_for
            self.departure = Departure(*args)
