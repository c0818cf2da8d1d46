"""The lock under which a body runs, as its task and the guard see it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..durations import Duration
from .departure import Departure


class Lease(ABC):
    """The lock under which a body runs; :func:`.current_lock` returns it.

    Attributes:
        task: the task that runs.
        request: Celery's request of the attempt; None for a direct call.
        key: digest that the attempt holds.
        owner: id of the task that holds it.
        fence: grows with every acquisition of the key; hand it to the resource, so that
            it can refuse a late writer. None where the store has no clock.
        outer: the lease of the body that called this one, in the same thread.
        held_to_end: whether the lock is held to the end of the task, over its retries.
        value_ttl: seconds for which duplicates get the value of the run; None if they
            do not get it.
        released: whether the attempt has released the lock.
        departure: of the attempt, if it has released the lock and its message may come
            again.
    """

    task: Any
    request: Any
    owner: str
    key: str
    fence: int | None
    outer: Lease | None = None
    held_to_end = False
    value_ttl: float | None = None
    released = False
    departure: Departure | None = None

    @property
    def lost(self) -> bool:
        """True once another call had the lock, or may have had it; it stays True."""
        return bool(self.loss)

    @property
    @abstractmethod
    def loss(self) -> str:
        """How the lock was lost, such as "released by ann@mill"; empty if it is not."""

    @abstractmethod
    def remaining(self) -> float:
        """Return for how many seconds the lock surely stands if nothing renews it."""

    @abstractmethod
    def extend(self, seconds: Duration) -> bool:
        """Keep the lock for `seconds` from now, even if nothing renews it.

        For code that no renewal can interrupt, such as a call into C that keeps
        Python's global lock for longer than a lease. An earlier call for longer stays.

        Returns:
            False if the lock is lost or released already, and in a fork of the body.

        Raises:
            ConfigurationError: if `seconds` is no duration.
            LockStoreError: if the store does not answer.
        """

    @abstractmethod
    def release(self) -> bool:
        """Release the lock before the body ends, so that the next equal call may run.

        From then on, another attempt may run beside the rest of this one.

        Returns:
            False if it was lost or released already, or the store does not answer.
        """

    @abstractmethod
    def send_acquired(self) -> None:
        """Send the signal ``lock_acquired``, once the keeper renews the lock."""

    @abstractmethod
    def end(self, value: bytes | None = None, *, leaves: bool = False) -> bool | None:
        """Release the lock; keep its value and a mark of the attempt in the same step.

        Never raises: the task's own outcome counts. If the store does not answer, the
        lock is released later.

        Arguments:
            value: of the run, for duplicates.
            leaves: whether the attempt goes on to its end, for which a second delivery
                of its message has to wait.

        Returns:
            Whether the attempt still held it; None if that is unknown.
        """


@dataclass(eq=False, repr=False)
class Unguarded(Lease):
    """Stands in for the lock of a body that runs without one, and never ends.

    Attributes:
        at_end: is called when the body has ended.
    """

    task: Any
    request: Any
    owner: str
    at_end: Callable[[], object] = lambda: None

    key = ""
    fence = None
    released = True  # there is nothing to release
    loss = ""

    def remaining(self) -> float:
        return math.inf

    def extend(self, seconds: Duration) -> bool:
        return True

    def release(self) -> bool:
        return self.end() is True

    def send_acquired(self) -> None:
        """Send no signal: nothing was acquired."""

    def end(self, value: bytes | None = None, *, leaves: bool = False) -> bool | None:
        self.at_end()
        return True
