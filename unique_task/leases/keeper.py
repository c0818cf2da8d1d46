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
from ..threads import start_thread
from .one_step import OneStep

logger = logging.getLogger(__name__)

#: Seconds until the next try, while a store does not answer.
_TRY_AGAIN = 0.5

_IDLE = 5.0

#: Longest sleep in seconds; a condition cannot wait for as long as a lease may be.
_LONGEST = 3600.0


class Renewable(Protocol):
    """What the keeper renews: leases, and attempts that leave."""

    backend: Backend
    renew_at: float
    step: OneStep

    @property
    def interval(self) -> float: ...

    def remaining(self) -> float: ...

    def renewal(self, now: float) -> Renewal: ...

    def renewed(self, outcome: Renewed, asked: float) -> str | None: ...

    def lose(self, reason: str, *, aside: bool) -> None: ...


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
        """Renew `lease` no more; return whether it was kept.

        A renewal may be under way; see :class:`~unique_task.leases.one_step.OneStep`.
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
    It ends when it finds none. Where it cannot be started, or has died, the next lease
    that is kept or let go starts it.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        # Weak: a lease that an exception kept from being let go ends with its frames.
        self._leases: WeakValueDictionary[int, Renewable] = WeakValueDictionary()
        self._thread: Thread | None = None
        self._pause = _IDLE
        self._next_look = 0.0

    def keep(self, lease: Renewable) -> None:
        with self._changed:
            self._leases[id(lease)] = lease
            # Nobody else looks at them while there is no thread.
            alone = [] if self._see_to_thread() else list(self._leases.values())
            if lease.renew_at < self._next_look:
                self._changed.notify_all()
        _lose_what_is_over(alone)

    def let_go(self, lease: Renewable) -> bool:
        with self._changed:
            kept = self._leases.pop(id(lease), None) is not None
            self._see_to_thread()
        return kept

    def _see_to_thread(self) -> bool:
        """Start the thread if it is missed; return whether it runs or is not needed."""
        if not self._leases or (self._thread is not None and self._thread.is_alive()):
            return True
        self._next_look = 0.0
        self._thread = start_thread(self._run, "unique_task")
        return self._thread is not None

    def _run(self) -> None:
        try:
            while self._look():
                pass
        except BaseException:  # as by a lack of memory
            logger.exception("the thread that renews leases died; another one goes on")
            time.sleep(_TRY_AGAIN)
            with self._changed:
                self._thread = None
                self._see_to_thread()

    def _look(self) -> bool:
        """Renew what is due next; return False if there is nothing to keep."""
        due, begun = self._wait(), list[Renewable]()
        try:
            for lease in due:
                # Noted first: what has begun must end, also if memory is short.
                begun.append(lease)
                if not lease.step.begin():
                    # Another thread frees or extends it, which may fail.
                    begun.pop().renew_at = _soon(lease)
            self._renew(begun)
        except Exception:
            logger.exception("renewing leases failed; they are tried again")
            _lose_what_is_over(begun)
        finally:
            for lease in begun:
                lease.step.end()
        return bool(due)

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
        return due

    def _due(self, now: float) -> list[Renewable]:
        leases = list(self._leases.values())
        if leases:
            self._pause = min(_LONGEST, *(lease.interval for lease in leases))
        if all(lease.renew_at > now for lease in leases):
            return []
        # Those that are nearly due go along, in the same round trip.
        return [lease for lease in leases if lease.renew_at <= now + self._pause / 2]

    def _renew(self, leases: Sequence[Renewable]) -> None:
        if not leases:
            return
        asked, backend = time.monotonic(), leases[0].backend
        for lease in leases:
            lease.renew_at = _soon(lease)
        try:
            outcomes = backend.renew([lease.renewal(asked) for lease in leases])
        except LockStoreError as error:
            logger.warning("%d leases could not be renewed: %s", len(leases), error)
            _lose_what_is_over(leases)
            return
        self._note(leases, outcomes, asked)

    @staticmethod
    def _note(
        leases: Sequence[Renewable], outcomes: Sequence[Renewed], asked: float
    ) -> None:
        for lease, outcome in zip(leases, outcomes):
            loss = lease.renewed(outcome, asked)
            if loss is not None:
                lease.lose(loss, aside=True)
        unknown = [x for x, y in zip(leases, outcomes) if y is Renewed.UNKNOWN]
        if unknown:
            logger.warning(
                "%d of %d leases could not be renewed in their part of %s",
                *(len(unknown), len(leases), unknown[0].backend.name),
            )
            _lose_what_is_over(unknown)


def _soon(lease: Renewable) -> float:
    """Return when to try again what could not be renewed."""
    return time.monotonic() + min(_TRY_AGAIN, lease.interval)


def _lose_what_is_over(leases: Sequence[Renewable]) -> None:
    for lease in leases:
        if not lease.remaining():
            lease.lose("its lease ended while it could not be renewed", aside=True)


#: The keeper of this process.
keeper = Keeper()

in_forks(keeper.forget)
