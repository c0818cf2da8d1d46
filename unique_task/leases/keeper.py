"""Renews the leases of this process while their bodies run."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from threading import Condition, Lock, Thread
from typing import Protocol
from weakref import WeakKeyDictionary, WeakValueDictionary

from ..backends.base import Backend
from ..backends.steps import Renewal, Renewed
from ..exceptions import LockStoreError
from ..forks import in_forks
from ..threads import OneStep, start_thread

logger = logging.getLogger(__name__)

#: Seconds until the next try, while a store does not answer.
_TRY_AGAIN = 0.5

_IDLE = 5.0

#: Longest sleep in seconds; a condition cannot wait for as long as a lease may be.
_LONGEST = 3600.0


class Renewable(Protocol):
    """What the keeper renews: leases, and the marks of attempts that are leaving."""

    backend: Backend
    renew_at: float
    step: OneStep

    @property
    def interval(self) -> float: ...

    def remaining(self) -> float: ...

    def renewal(self, now: float) -> Renewal: ...

    def renewed(self, outcome: Renewed, asked_at: float) -> str | None: ...

    def note_loss(self, reason: str, *, in_thread: bool) -> None: ...


class Keeper:
    """Renews all leases of a process.

    Each store has its own thread: a store that does not answer delays no other.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start empty: a fork has neither the threads nor the leases of its parent."""
        self._mutex = Lock()
        self._of_stores: WeakKeyDictionary[Backend, _KeeperOfStore]
        self._of_stores = WeakKeyDictionary()

    def add(self, lease: Renewable) -> None:
        """Renew `lease` until it is removed."""
        self._store_keeper(lease.backend).add(lease)

    def remove(self, lease: Renewable) -> bool:
        """Stop renewing `lease`; return whether the keeper had it.

        A renewal may be under way; see :class:`~unique_task.threads.OneStep`.
        """
        return self._store_keeper(lease.backend).remove(lease)

    def _store_keeper(self, backend: Backend) -> _KeeperOfStore:
        found = self._of_stores.get(backend)
        if found is None:
            with self._mutex:
                found = self._of_stores.setdefault(backend, _KeeperOfStore())
        return found


class _KeeperOfStore:
    """One thread that renews the leases in one store.

    The thread starts with the first lease, then wakes up at even intervals, and ends
    when it finds no lease. A run that ends before a third of its lease costs no round
    trip. Where the thread cannot be started, or has died, the next lease that is added
    or removed starts it.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        # Weak: if an error keeps a lease from being removed, it goes with its frames.
        self._leases: WeakValueDictionary[int, Renewable] = WeakValueDictionary()
        self._thread: Thread | None = None
        self._pause = _IDLE
        self._next_look = 0.0

    def add(self, lease: Renewable) -> None:
        with self._changed:
            self._leases[id(lease)] = lease
            # While there is no thread, nothing else checks which leases have ended.
            alone = [] if self._ensure_thread() else list(self._leases.values())
            if lease.renew_at < self._next_look:
                self._changed.notify_all()
        _lose_ended(alone)

    def remove(self, lease: Renewable) -> bool:
        with self._changed:
            kept = self._leases.pop(id(lease), None) is not None
            self._ensure_thread()
        return kept

    def _ensure_thread(self) -> bool:
        """Start the thread if it is needed; return False if that fails."""
        if not self._leases or (self._thread is not None and self._thread.is_alive()):
            return True
        self._next_look = 0.0
        self._thread = start_thread(self._run, "unique_task")
        return self._thread is not None

    def _run(self) -> None:
        try:
            while self._look():
                pass
        except BaseException:  # for example, no memory is left
            logger.exception("the thread that renews leases died; another one goes on")
            time.sleep(_TRY_AGAIN)
            with self._changed:
                self._thread = None
                self._ensure_thread()

    def _look(self) -> bool:
        """Renew the leases that are due next; return False if the keeper has none."""
        due, begun = self._wait(), list[Renewable]()
        try:
            for lease in due:
                # First: a step that has begun must end, also if memory is short.
                begun.append(lease)
                if not lease.step.begin():
                    # Another thread releases or extends it, which may fail.
                    begun.pop().renew_at = _soon(lease)
            self._renew(begun)
        except Exception:
            logger.exception("renewing leases failed; they are tried again")
            _lose_ended(begun)
        finally:
            for lease in begun:
                lease.step.end()
        return bool(due)

    def _wait(self) -> list[Renewable]:
        """Wait for leases that are due; return an empty list if there are no leases."""
        with self._changed:
            while not (due := self._due(time.monotonic())):
                if self._next_look and not self._leases:
                    self._thread, self._next_look = None, 0.0
                    return []
                times = [lease.renew_at for lease in self._leases.values()]
                self._next_look = min([time.monotonic() + self._pause, *times])
                self._changed.wait(max(0.0, self._next_look - time.monotonic()))
        return due

    def _due(self, now: float) -> list[Renewable]:
        leases = list(self._leases.values())
        if leases:
            self._pause = min(_LONGEST, *(lease.interval for lease in leases))
        if all(lease.renew_at > now for lease in leases):
            return []
        # Leases that are nearly due are renewed in the same round trip.
        return [lease for lease in leases if lease.renew_at <= now + self._pause / 2]

    def _renew(self, leases: Sequence[Renewable]) -> None:
        if not leases:
            return
        asked_at, backend = time.monotonic(), leases[0].backend
        for lease in leases:
            lease.renew_at = _soon(lease)
        try:
            outcomes = backend.renew([lease.renewal(asked_at) for lease in leases])
        except LockStoreError as error:
            logger.warning("%d leases could not be renewed: %s", len(leases), error)
            _lose_ended(leases)
            return
        self._note(leases, outcomes, asked_at)

    @staticmethod
    def _note(
        leases: Sequence[Renewable], outcomes: Sequence[Renewed], asked_at: float
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
            _lose_ended(unknown)


def _soon(lease: Renewable) -> float:
    """Return when to try again to renew `lease`."""
    return time.monotonic() + min(_TRY_AGAIN, lease.interval)


def _lose_ended(leases: Sequence[Renewable]) -> None:
    for lease in leases:
        if not lease.remaining():
            lease.note_loss(
                "its lease ended while it could not be renewed", in_thread=True
            )


#: The keeper of this process.
keeper = Keeper()

in_forks(keeper.forget)
