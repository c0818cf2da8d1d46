"""The contract of a store of locks: what every backend does, in single atomic steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from ..exceptions import LockStoreError
from .record import Record


@dataclass
class Acquired:
    """The lock is ours.

    Attributes:
        fence: grows with every acquisition of a key; None where the store has no clock.
    """

    fence: int | None


@dataclass
class Held:
    """Another token holds the lock.

    Attributes:
        record: who holds it, and since when.
        remaining: seconds for which it stands if nothing renews it.
        admitted: whether the attempt that asked was given the lock before, in an
            earlier delivery of its message.
    """

    record: Record
    remaining: float
    admitted: bool = False


@dataclass
class Stored:
    """Nobody has to run: a value of an earlier run is fresh."""

    value: bytes


@dataclass
class Finished:
    """Nobody has to run: this attempt has, and its message was delivered again."""


#: What :meth:`Backend.acquire` may answer.
StoreAnswer = Acquired | Held | Stored | Finished


class Renewed(Enum):
    """What became of a lock that was to be renewed."""

    HELD = "held"
    #: It had vanished (restart, flush, stall); nobody had it, and it was taken again.
    RETAKEN = "retaken"
    #: Another token holds it.
    TAKEN = "taken"


class Backend(ABC):
    """A store of locks.

    A lock is one :class:`Record` under a key, compared by its token, timed by the
    store's own clock. Every method is one atomic step for each key. All times are
    seconds.

    To write a backend, implement the hooks `_acquire`, `_release`, `_renew` and `_get`,
    and name in `driver_errors` what the store's driver raises.
    """

    #: What the driver raises when the store does not answer or refuses.
    driver_errors: tuple[type[Exception], ...] = ()

    #: Where the locks live, for people: without password.
    name: str = ""

    #: False if each process has locks of its own.
    shared = True

    @classmethod
    @abstractmethod
    def from_url(cls, url: str, timeout: float) -> Backend:
        """Return a backend for `url`; it must not connect before it is used.

        Arguments:
            timeout: seconds that one operation may take at most.

        Raises:
            ConfigurationError: if the URL makes no sense.
        """

    def acquire(
        self,
        key: str,
        record: Record,
        expire: float,
        *,
        stored: bool = False,
        once: float = 0,
        over: Sequence[str] = (),
    ) -> StoreAnswer:
        """Take `key` for `expire` seconds, unless it is held.

        A token that holds the key already gets it again under the fence it has, so a
        client may repeat a call whose answer was lost.

        Arguments:
            key: of the lock.
            record: with the token of this attempt, good for one acquisition.
            expire: how long the lock stands if nothing renews it.
            stored: accept a fresh value of an earlier run in place of the lock, unless
                the attempt was given the lock before.
            once: seconds for which it is remembered that this attempt, whose token may
                have any nonce, was given the lock. If it was released as finished, it
                is told so. 0 to remember nothing, and not to ask.
            over: tokens of attempts that hold nothing any more, because they are dead
                or never heard that they had got the lock. It is taken over from them,
                under a greater fence: by one, as its token is then another.

        Raises:
            LockStoreError: if the store does not answer.
            LockRecordError: if the lock was written by a newer version.
        """
        try:
            return self._acquire(key, record, expire, stored, once, over)
        except self.driver_errors as error:
            raise self._told(error) from error

    def renew(self, renewals: Sequence[Renewal]) -> list[Renewed]:
        """Hold on to several locks, in one round trip for each node of the store.

        A lock that vanished is taken again under its old fence if nobody holds it.

        Raises:
            LockStoreError: if the store does not answer.
        """
        try:
            return self._renew(renewals)
        except self.driver_errors as error:
            raise self._told(error) from error

    def release(
        self,
        key: str,
        token: str,
        *,
        value: bytes | None = None,
        fresh: float = 0,
        finished: float = 0,
    ) -> bool:
        """Free a lock, and store in the same step what the attempt leaves behind.

        Arguments:
            key: of the lock.
            token: that took it; any other does not change the lock.
            value: what :meth:`acquire` shall hand out for `fresh` seconds, if `token`
                still held the lock.
            finished: seconds for which it is remembered that this attempt must not run
                again, whether it still held the lock or not; 0 to remember nothing.

        Returns:
            False if `token` did not hold the lock any more.

        Raises:
            LockStoreError: if the store does not answer.
        """
        try:
            return self._release(key, token, value, fresh, finished)
        except self.driver_errors as error:
            raise self._told(error) from error

    def get(self, key: str) -> Held | None:
        """Tell who holds a lock; None if it is free.

        Raises:
            LockStoreError: if the store does not answer.
            LockRecordError: if the lock was written by a newer version.
        """
        try:
            return self._get(key)
        except self.driver_errors as error:
            raise self._told(error) from error

    @abstractmethod
    def _acquire(
        self,
        key: str,
        record: Record,
        expire: float,
        stored: bool,
        once: float,
        over: Sequence[str],
    ) -> StoreAnswer: ...

    @abstractmethod
    def _renew(self, renewals: Sequence[Renewal]) -> list[Renewed]: ...

    @abstractmethod
    def _release(
        self, key: str, token: str, value: bytes | None, fresh: float, finished: float
    ) -> bool: ...

    @abstractmethod
    def _get(self, key: str) -> Held | None: ...

    def _told(self, error: Exception) -> LockStoreError:
        return LockStoreError(f"{self.name}: {error}")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


@dataclass
class Renewal:
    """A lock to hold on to for `expire` more seconds.

    For `once` more seconds, if that is not 0, it is remembered that the attempt was
    given the lock.
    """

    key: str
    record: Record
    fence: int | None
    expire: float
    once: float = 0
