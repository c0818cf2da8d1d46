"""Keeps a process from forking while it uses a file of SQLite."""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition, RLock

from ...exceptions import LockStoreError
from ...forks import around_forks_of


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
        # To take it directly is faster than through the condition.
        self._lock = RLock()
        self._changed = Condition(self._lock)
        self._under_way = 0
        self._shut = False

    def __enter__(self) -> None:
        """Begin to use the file; wait while the process forks.

        Raises:
            LockStoreError: in a process that was forked during an operation.
        """
        if self._spoilt:
            raise LockStoreError(
                "this process was forked in the middle of an operation that did not "
                "end, and cannot lock the file: start it anew"
            )
        with self._lock:
            if self._shut:
                self._changed.wait_for(lambda: not self._shut)
            self._under_way += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._under_way -= 1
            if self._shut:
                self._changed.notify_all()

    def _before_fork(self) -> None:
        with self._changed:
            self._shut = True
            self._changed.wait_for(lambda: not self._under_way, self._patience)
        self._close()

    def _after_in_parent(self) -> None:
        with self._changed:
            self._shut = False
            self._changed.notify_all()

    def _after_in_fork(self) -> None:
        self._spoilt |= bool(self._under_way)
        # Another thread may have held the old condition at the fork.
        self._reset()
