"""Keeps a process from forking while it uses a file of SQLite."""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition, RLock
from typing import TypeVar

from ...exceptions import LockStoreError
from ...forks import around_forks_of

Result = TypeVar("Result")


class ForkGate:
    """Lets operations run, and no fork while one is under way.

    SQLite keeps a list of the file locks of its process. A fork inherits the list, but
    not the locks, and would not lock the file again::

        thread    opens the file, locks it                   goes on
        process                              forks
        fork                                        trusts the list, locks nothing

    Arguments:
        close: closes the file in the parent before each fork.
        patience: seconds for which a fork waits; longer than an operation takes.
    """

    def __init__(self, close: Callable[[], object], patience: float) -> None:
        self._close = close
        self._patience = patience
        self._spoilt = False
        self._reset()
        around_forks_of(self._before_fork, self._after_in_parent, self._after_in_fork)

    def _reset(self) -> None:
        # To take it directly is faster than through the condition, and what a signal
        # raises there cannot leave it locked.
        self._lock = RLock()
        self._changed = Condition(self._lock)
        self._under_way = set[object]()
        self._shut = False

    def use(self, work: Callable[[], Result]) -> Result:
        """Do `work`, which uses the file; wait before it while the process forks.

        Raises:
            LockStoreError: in a process that was forked during an operation.
        """
        if self._spoilt:
            raise LockStoreError(
                "this process was forked in the middle of an operation that did not "
                "end, and cannot lock the file: start it anew"
            )
        # Single steps, not a count: a signal may break the operation off at any moment.
        operation, under_way = object(), self._under_way
        try:
            with self._lock:
                if self._shut:
                    self._changed.wait_for(lambda: not self._shut)
                under_way.add(operation)
            return work()
        finally:
            under_way.discard(operation)
            if self._shut:
                self._tell()

    def _tell(self) -> None:
        with self._lock:
            self._changed.notify_all()

    def _before_fork(self) -> None:
        with self._lock:
            self._shut = True
            self._changed.wait_for(lambda: not self._under_way, self._patience)
        self._close()

    def _after_in_parent(self) -> None:
        with self._lock:
            self._shut = False
            self._changed.notify_all()

    def _after_in_fork(self) -> None:
        self._spoilt |= bool(self._under_way)
        # Another thread may have held the old condition at the fork.
        self._reset()
