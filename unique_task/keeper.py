"""Renews the leases of this process while their bodies run."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from threading import Condition, Lock, Thread, current_thread
from typing import Protocol
from weakref import WeakKeyDictionary, WeakValueDictionary

from .backends.base import Backend
from .backends.steps import Renewal, Renewed
from .exceptions import LockStoreError
from .forks import in_forks

logger = logging.getLogger(__name__)

#: Seconds until the next try, while a store does not answer.
_TRY_AGAIN = 0.5

_IDLE = 5.0

#: Longest sleep in seconds; a condition cannot wait for as long as a lease may be.
_LONGEST = 3600.0


class Renewable(Protocol):
    """What the keeper renews: :class:`unique_task.lease.Lease`."""

    backend: Backend
    renew_at: float

    @property
    def interval(self) -> float: ...

    def remaining(self) -> float: ...

    def renewal(self, now: float) -> Renewal: ...

    def renewed(self, outcome: Renewed, asked: float) -> None: ...

    def lose(self, reason: str) -> None: ...


class Keeper:
    """Renews all leases of a process.

    Each store has a thread of its own: one that does not answer holds up no other.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start anew: a fork has neither the threads nor the leases of its parent."""
        self._mutex = Lock()
        self._of_stores: WeakKeyDictionary[Backend, _KeeperOfStore]
        self._of_stores = WeakKeyDictionary()

    def keep(self, lease: Renewable) -> None:
        """Renew `lease` until it is let go."""
        self._of(lease.backend).keep(lease)

    def let_go(self, lease: Renewable) -> bool:
        """Renew `lease` no more; tell whether it was kept.

        Waits for a renewal that is under way::

            keeper  renews a batch  ------------------>  finds no lock, takes it again
            task                      frees the lock ->

        Freed first, the lock would stand for one more lease with nobody behind it.
        """
        return self._of(lease.backend).let_go(lease)

    def _of(self, backend: Backend) -> _KeeperOfStore:
        found = self._of_stores.get(backend)
        if found is None:
            with self._mutex:
                found = self._of_stores.setdefault(backend, _KeeperOfStore())
        return found


class _KeeperOfStore:
    """One thread that renews the leases in one store.

    It starts with the first lease and then looks round in even steps, so that a lease
    costs one registration, and a run that is over before a third of it no round trip.
    It ends when it finds none.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        # Weak: a lease that an exception kept from being let go ends with its frames.
        self._leases: WeakValueDictionary[int, Renewable] = WeakValueDictionary()
        self._renewing: set[int] = set()
        self._thread: Thread | None = None
        self._pause = _IDLE
        self._next_look = 0.0

    def keep(self, lease: Renewable) -> None:
        with self._changed:
            self._leases[id(lease)] = lease
            if self._thread is None:
                self._thread = Thread(target=self._run, name="unique_task", daemon=True)
                self._thread.start()
            if lease.renew_at < self._next_look:
                self._changed.notify_all()

    def let_go(self, lease: Renewable) -> bool:
        with self._changed:
            kept = self._leases.pop(id(lease), None) is not None
            # A receiver of lock_lost is called by the keeper itself, which cannot wait.
            while id(lease) in self._renewing and current_thread() is not self._thread:
                self._changed.wait()
        return kept

    def _run(self) -> None:
        while due := self._wait():
            try:
                self._renew(due[0].backend, due)
            except Exception:  # what ends this thread ends all leases of the store
                logger.exception("renewing leases failed; they are tried again")
                _lose_what_is_over(due)
            finally:
                due.clear()  # else this thread itself would keep them alive
                with self._changed:
                    self._renewing.clear()
                    self._changed.notify_all()

    def _wait(self) -> list[Renewable]:
        """Return what is to be renewed, and nothing when there is nothing to keep."""
        with self._changed:
            while not (due := self._due(time.monotonic())):
                if self._next_look and not self._leases:
                    self._thread, self._next_look = None, 0.0
                    return []
                times = [lease.renew_at for lease in self._leases.values()]
                self._next_look = min([time.monotonic() + self._pause, *times])
                self._changed.wait(max(0.0, self._next_look - time.monotonic()))
            self._renewing = {id(lease) for lease in due}
        return due

    def _due(self, now: float) -> list[Renewable]:
        leases = list(self._leases.values())
        if leases:
            self._pause = min(_LONGEST, *(lease.interval for lease in leases))
        if all(lease.renew_at > now for lease in leases):
            return []
        # Those that are nearly due go along, in the same round trip.
        return [lease for lease in leases if lease.renew_at <= now + self._pause / 2]

    def _renew(self, backend: Backend, leases: Sequence[Renewable]) -> None:
        asked = time.monotonic()
        for lease in leases:
            lease.renew_at = asked + min(_TRY_AGAIN, lease.interval)
        try:
            outcomes = backend.renew([lease.renewal(asked) for lease in leases])
        except LockStoreError as error:
            logger.warning("%d leases could not be renewed: %s", len(leases), error)
            _lose_what_is_over(leases)
            return
        unknown = [x for x, y in zip(leases, outcomes) if y is Renewed.UNKNOWN]
        if unknown:
            logger.warning(
                "%d of %d leases could not be renewed in their part of %s",
                *(len(unknown), len(leases), backend.name),
            )
            _lose_what_is_over(unknown)
        for lease, outcome in zip(leases, outcomes):
            if outcome is not Renewed.UNKNOWN:
                lease.renewed(outcome, asked)


def _lose_what_is_over(leases: Sequence[Renewable]) -> None:
    for lease in leases:
        if not lease.remaining():
            lease.lose("its lease ended while it could not be renewed")


#: The keeper of this process.
keeper = Keeper()

in_forks(keeper.forget)
