"""A lock that a running attempt holds, as the keeper and the task's body see it."""

from __future__ import annotations

import logging
import math
import os
import time
from dataclasses import replace
from typing import Any

from ..backends.base import Backend
from ..backends.record import Record
from ..backends.steps import Heir, Release, Renewal, Renewed
from ..durations import Duration
from ..durations import seconds as in_seconds
from ..exceptions import LockStoreError
from ..signals import lock_acquired, lock_lost, lock_released, send_signal
from .aside import tell_aside
from .departure import Departure
from .freeing import free_or_later
from .keeper import keeper
from .one_step import OneStep

#: Outcomes of a renewal that mean that the lock was lost, and how.
_LOSSES = {
    Renewed.TAKEN: "another task holds it",
    Renewed.RETAKEN: "it had vanished from the store, and was taken again",
}

logger = logging.getLogger(__name__)


class Lease:
    """A lock held by this attempt, counted on until its lease ends.

    Attributes:
        key: digest that the attempt holds.
        owner: id of the task that holds it.
        fence: grows with every acquisition of the key; hand it to the resource, so that
            it can refuse a late writer. None where the store has no clock.
        fresh: seconds for which the value of the run is handed to duplicates; None if
            they do not get it.
        renew: whether the lock is renewed while the body runs.
        remember: seconds for which it is known that the attempt has finished; 0 if its
            message cannot come again.
        remember_for: seconds from each renewal on for which the store remembers that
            the attempt got the lock.
        whole: whether the lock is held to the end of the task, over its retries.
        heir: who gets the lock when it is freed: the task's next try.
        successor: who gets it if there is none, a call that waits for this one.
        departure: of the attempt, once the lock is free and its message may come again.
    """

    def __init__(
        self,
        task: Any,
        request: Any,
        owner: str,
        backend: Backend,
        key: str,
        record: Record,
        fence: int | None,
        expire: float,
        asked: float,
        lock: str | None = None,
    ) -> None:
        self.task = task
        self.request = request
        self.key = key
        # Under what the store has it, where that is another name than the key.
        self._lock = lock or key
        self.owner = owner
        self.fence = fence
        self._lost = False
        self.backend = backend
        self.record = record
        self.outer: Lease | None = None
        self.fresh: float | None = None
        self.renew = False
        self.remember = 0.0
        self.remember_for = 0.0
        self.whole = False
        self.heir: Heir | None = None
        self.successor: Heir | None = None
        self.departure: Departure | None = None
        self.freed = False
        self.step = OneStep()
        self._expire = expire
        self._extended = -math.inf
        # Counted from before the question: the store's clock started later.
        self._end = asked + expire
        self.renew_at = asked + self.interval
        self._process = os.getpid()

    @property
    def lost(self) -> bool:
        """True once the lock was, or may have been, somebody else's; it stays True."""
        if not self._lost and not self.freed and not self.remaining():
            self.lose("its lease was over before it was renewed")
        return self._lost

    @property
    def interval(self) -> float:
        """Seconds between two renewals: two may fail before the lease ends."""
        return self._expire / 3

    @property
    def _in_fork(self) -> bool:
        """True in a fork of the body: the lock is its parent's."""
        return os.getpid() != self._process

    def remaining(self) -> float:
        """Return for how many seconds the lock surely stands if nothing renews it."""
        return 0.0 if self.freed else self._left()

    def _left(self) -> float:
        return max(0.0, self._end - time.monotonic())

    def extend(self, seconds: Duration) -> bool:
        """Hold on to the lock for `seconds` from now, even if nothing renews it.

        For what a renewal cannot get through to, such as a call into C that keeps
        Python's global lock for longer than a lease. An earlier call for longer stays.

        Returns:
            False if the lock is lost, or freed already, and in a fork of the body.

        Raises:
            ConfigurationError: if `seconds` is no duration.
            LockStoreError: if the store does not answer.
        """
        duration = in_seconds("seconds", seconds)
        if self._in_fork:
            return False
        with self.step:
            loss = self._extend(duration)
        if loss is not None:
            self.lose(loss)
        return not (self.freed or self.lost)

    def _extend(self, duration: float) -> str | None:
        # What another task has taken is not ours, also once that is free again.
        if self.freed or self.renew_at == math.inf:
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
        expire = max(self._expire, self._extended - now, end - now)
        return Renewal(self._lock, self.record, self.fence, expire, self.remember_for)

    def renewed(self, outcome: Renewed, asked: float) -> str | None:
        """Note the outcome of a renewal; return why the lock is lost, if it is."""
        if outcome is Renewed.TAKEN:
            self._end, self.renew_at = asked, math.inf
        elif outcome is not Renewed.UNKNOWN:
            self._end = asked + self.renewal(asked).expire
            self.renew_at = asked + self.interval
        return _LOSSES.get(outcome)

    def announce(self) -> None:
        """Tell the receivers of ``lock_acquired``; by now the lock is renewed."""
        send_signal(lock_acquired, self.task, lock=self)

    def lose(self, reason: str, *, aside: bool = False) -> None:
        """Tell the body, the log and the signal's receivers, once, of the loss.

        Arguments:
            aside: do not wait for the receivers.
        """
        known, self._lost = self._lost, True
        # A fork does not learn of the renewals, and only counts the time.
        if known or self._in_fork:
            return
        logger.warning("%s lost its lock: %s", self._whose, reason)
        (tell_aside if aside else send_signal)(lock_lost, self.task, lock=self)

    def release(self) -> bool:
        """Free the lock now, before the body ends, so that the next equal call may run.

        What this attempt does from here on, another one may do beside it.

        Returns:
            False if it was lost or freed already, or the store does not answer.
        """
        self.successor = None  # it waits, and has no rights before others
        return self.free(leaves=True) is True

    def free(self, value: bytes | None = None, *, leaves: bool = False) -> bool | None:
        """Free the lock, and store in the same step what the attempt leaves behind.

        Arguments:
            value: of the run, for duplicates.
            leaves: whether the attempt goes on to its end, so that a second delivery of
                its message has to wait for that.

        Never raises: the task's own outcome counts. The store is asked again later.

        Returns:
            Whether it was still held; None if nobody knows.
        """
        if self.freed or self._in_fork:
            return False
        keeper.let_go(self)
        with self.step:
            if self.freed:
                return False
            if leaves:
                self._leave()
            self.freed = self.step.over = True
            held = free_or_later(
                self.backend, self._what(value), self._whose, self._end
            )
        if self.departure is not None:
            keeper.keep(self.departure)
        if held is False:
            self.lose("it was not held any more when the task ended")
        if held is not None:
            send_signal(lock_released, self.task, lock=self)
        return held

    @property
    def _whose(self) -> str:
        return f"{self.task.name}[{self.owner}]"

    def _what(self, value: bytes | None) -> Release:
        """Return what the store is told when the lock is freed."""
        leaving = self.departure.leaving if self.departure else None
        return Release(
            *(self._lock, self.record.token, value, self.fresh or 0),
            heir=self.heir,
            leaving=leaving,
        )

    def _leave(self) -> None:
        # Not where the body is broken off: it may run again, and before its successor.
        self.heir = self.heir or self.successor
        if self.remember:
            record = replace(self.record, fence=self.fence)
            args = self.backend, self._lock, record, self._expire, self.remember
            self.departure = Departure(*args)
