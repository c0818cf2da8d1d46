"""Renews the leases of this process while their bodies run."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from threading import Condition, Lock, RLock, Thread
from weakref import WeakKeyDictionary, ref

from ..backends.base import Backend
from ..backends.batches import MOST
from ..backends.steps import RenewAnswer, Renewed
from ..exceptions import LockStoreError
from ..forks import in_forks
from ..threads import start_thread
from .renewable import Renewable, begin_step, lose_ended

logger = logging.getLogger(__name__)

#: Seconds until the next try, while a store does not answer.
_TRY_AGAIN = 0.5

#: Seconds between two looks before there has been a lease.
_IDLE = 5.0

#: Longest sleep in seconds; a condition cannot wait for as long as a lease may be.
_LONGEST = 3600.0


class Keeper:
    """Renews all leases of a process.

    Each store has its own thread: a store that does not answer delays no other.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start empty: a fork has neither the threads nor the leases of its parent."""
        self._mutex = Lock()
        self._of_stores: WeakKeyDictionary[Backend, StoreKeeper] = WeakKeyDictionary()

    def add(self, lease: Renewable) -> None:
        """Renew `lease` until it is removed."""
        lease.kept_by = self._of_stores.get(lease.backend) or self._new(lease.backend)
        lease.kept_by.add(lease)

    def remove(self, lease: Renewable) -> None:
        """Stop renewing `lease`.

        A renewal may be under way; see :class:`.Renewable`.
        """
        kept_by, lease.kept_by = lease.kept_by, None
        if kept_by is not None:
            kept_by.remove(lease)

    def _new(self, backend: Backend) -> StoreKeeper:
        with self._mutex:
            return self._of_stores.setdefault(backend, StoreKeeper())


class StoreKeeper:
    """One thread that renews the leases in one store.

    The thread starts with the first lease, then wakes up at even intervals, and ends
    when it finds no lease. A run that ends before a third of its lease costs no round
    trip. Where the thread cannot be started, or has died, the next lease that is added
    or removed starts it.

    Every run adds a lease and removes it, and mostly takes no lock for that: a set adds
    and removes in one step. What the thread decides, it announces first and checks
    after that, so that it or the run sees what the other one has done::

        thread  will look at once | reads the leases | next look at 5.0 | sleeps
        run     adds a lease, due at 3.0 | reads the next look: wakes the thread

        thread  has ended | reads the leases: goes on if there is one
        run     adds a lease | reads the thread: starts one if it has ended
    """

    def __init__(self) -> None:
        # Reentrant, for the handler of a signal in the middle of add() or remove().
        # Taken directly: what it raises as a condition is entered leaves that locked.
        self._lock = RLock()
        self._changed = Condition(self._lock)
        # Weak: if an error keeps a lease from being removed, it goes with its frames.
        self._leases: set[ref[Renewable]] = set()
        self._thread: Thread | None = None
        self._pause = _IDLE
        self._next_look = 0.0

    def add(self, lease: Renewable) -> None:
        self._leases.add(ref(lease))
        if self._thread is None:
            self._start()
        elif lease.renew_at < self._next_look:
            with self._lock:
                self._changed.notify_all()

    def remove(self, lease: Renewable) -> None:
        self._leases.discard(ref(lease))
        if self._thread is None:
            self._start()

    def _start(self) -> None:
        """Start the thread, if it is needed and nobody else does."""
        with self._lock:
            if self._thread is None and self._leases:
                self._next_look = 0.0
                self._thread = start_thread(self._run, "unique_task")
        # While there is no thread, nothing else checks which leases have ended.
        if self._thread is None:
            lose_ended(self._alive())

    def _alive(self) -> list[Renewable]:
        """Return the leases; forget those that nothing else refers to any more."""
        alive = []
        for kept in self._leases.copy():
            if (lease := kept()) is not None:
                alive.append(lease)
            else:
                self._leases.discard(kept)
        return alive

    def _run(self) -> None:
        try:
            while self._look():
                pass
        except BaseException:  # for example, no memory is left
            try:
                logger.exception("the thread that renews leases died; another goes on")
                time.sleep(_TRY_AGAIN)
            finally:
                self._thread = None
                self._start()

    def _look(self) -> bool:
        """Renew the leases that are due next; return False if the keeper has none."""
        due = rest = self._wait()
        while rest:
            batch, rest = rest[:MOST], rest[MOST:]
            if not self._renew_batch(batch):
                # The others first: they may not be why it failed.
                rest += batch
                for lease in rest:
                    lease.renew_at = max(lease.renew_at, _soon(lease))
                lose_ended(rest)
                break
        return bool(due)

    def _renew_batch(self, batch: Sequence[Renewable]) -> bool:
        """Renew leases in one step; return False if that fails.

        A task that ends waits for the step of its own batch only.
        """
        begun: list[Renewable] = []
        try:
            for lease in batch:
                # First: a step that has begun must end, also if memory is short.
                begun.append(lease)
                if not begin_step(lease):
                    # Another thread releases or extends it, which may fail.
                    begun.pop().renew_at = _soon(lease)
            self._renew(begun)
            return True
        except LockStoreError as error:
            logger.warning("%d leases could not be renewed: %s", len(batch), error)
        except Exception:
            logger.exception("renewing leases failed; they are tried again")
        finally:
            for lease in begun:
                lease.step.release()
        return False

    def _wait(self) -> list[Renewable]:
        """Wait for leases that are due; return an empty list if there are no leases."""
        with self._lock:
            has_waited = self._next_look > 0
            while not (due := self._due(time.monotonic())):
                if self._leases or not has_waited:
                    self._changed.wait(max(0.0, self._next_look - time.monotonic()))
                    has_waited = True
                elif self._ends():
                    return []
        return due

    def _due(self, now: float) -> list[Renewable]:
        """Return the leases to renew now; set when to look next if there are none."""
        self._next_look = math.inf
        leases = self._alive()
        if leases:
            self._pause = min(_LONGEST, *(lease.interval for lease in leases))
        self._next_look = min(
            [now + self._pause, *(lease.renew_at for lease in leases)]
        )
        if self._next_look > now:
            return []
        # Leases that are nearly due are renewed in the same round trip.
        due = [lease for lease in leases if lease.renew_at <= now + self._pause / 2]
        return sorted(due, key=lambda lease: lease.renew_at)

    def _ends(self) -> bool:
        """End the thread, unless a lease was added meanwhile."""
        self._thread, thread = None, self._thread
        if self._leases:
            self._thread = thread
        return self._thread is None

    def _renew(self, leases: Sequence[Renewable]) -> None:
        if not leases:
            return
        asked_at, backend = time.monotonic(), leases[0].backend
        for lease in leases:
            lease.renew_at = _soon(lease)
        renewals = [lease.renewal(asked_at) for lease in leases]
        self._note(leases, backend.renew(renewals), asked_at)

    @staticmethod
    def _note(
        leases: Sequence[Renewable], outcomes: Sequence[RenewAnswer], asked_at: float
    ) -> None:
        for lease, outcome in zip(leases, outcomes):
            loss = lease.renewed(outcome, asked_at)
            if loss is not None:
                lease.note_loss(loss, in_thread=True)
        unknown = [
            lease
            for lease, outcome in zip(leases, outcomes)
            if outcome is Renewed.UNKNOWN
        ]
        if unknown:
            logger.warning(
                "%d of %d leases could not be renewed in their part of %s",
                *(len(unknown), len(leases), unknown[0].backend.name),
            )
            lose_ended(unknown)


def _soon(lease: Renewable) -> float:
    """Return when to try again to renew `lease`."""
    return time.monotonic() + min(_TRY_AGAIN, lease.interval)


#: The keeper of this process.
keeper = Keeper()

in_forks(keeper.forget)
