"""The contract of a store of locks: what every backend does, in single atomic steps."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from .batches import in_batches
from .connected import Connected
from .record import Record, Token
from .steps import (
    Acquisition,
    Heir,
    Held,
    Leaving,
    Release,
    Renewal,
    Renewed,
    Reservation,
    Reserved,
    StoreAnswer,
    Stored,
)


class Backend(Connected):
    """A store of locks.

    A lock is one :class:`Record` under a key, compared by its token, timed by the
    store's own clock. Every method is one atomic step for each key. All times are
    seconds. A store that does not answer raises :class:`LockStoreError`, and
    :class:`LockStoreRefusedError` if it will not until somebody mends it.

    To write a backend, implement the hooks (the abstract methods), and name in
    `driver_errors` what the store's driver raises.
    """

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
        accept_value: bool = False,
        remember_for: float = 0,
        take_over_from: Sequence[str] = (),
        keep_end: bool = False,
        generation: int | None = None,
    ) -> StoreAnswer:
        """Take `key` for `expire` seconds, unless it is held.

        A token that holds the key already gets it again under the fence it has, so a
        client may repeat a call whose answer was lost.

        Arguments:
            key: of the lock.
            record: with the token of this attempt, good for one acquisition.
            expire: how long the lock stands if nothing renews it; 0 to take it and free
                it again in the same step.
            accept_value: accept a fresh value of an earlier run in place of the lock,
                unless the attempt was given the lock before.
            remember_for: seconds for which the store remembers that this attempt got
                the lock, whatever the nonce of its token. If an earlier delivery has
                released it as finished, the answer is :class:`Finished`; while one is
                leaving, that one is the holder. 0 to remember and to ask nothing.
            take_over_from: tokens that give the lock up to this one, under a greater
                fence: the token that reserved it for this message, and those of
                attempts that are dead or never heard that they got the lock. Only one
                attempt can take it over, as the token is another from then on. A token
                may take over from itself, to wait for longer; it stays replaceable.
            keep_end: a lock that is taken over ends when it would have ended before.
            generation: fence under which the lock was reserved for this message, if a
                later message may have taken its place.

        Raises:
            LockRecordError: if the lock was written by a newer version.
        """
        with self._operation():
            return self._acquire(
                Acquisition(
                    key,
                    record,
                    expire,
                    accept_value,
                    remember_for,
                    take_over_from,
                    keep_end,
                    generation,
                )
            )

    def reserve(
        self,
        key: str,
        record: Record,
        expire: float,
        *,
        accept_value: bool = False,
        replaceable: bool = True,
        replace_within: float | None = None,
        remember_for: float = 0,
    ) -> Reserved | Held | Stored:
        """Take `key` for a message that is about to be published, unless it is held.

        Arguments:
            key: of the lock.
            record: with the token that travels in the message; the lock that it waits
                for already it is given again.
            expire: how long the lock stands if the message does not start.
            accept_value: accept a fresh value of an earlier run in place of the lock.
            replaceable: whether a later message may take the place of this one.
            replace_within: take the place of a message that has not started, if the
                first message in its chain of replacements was published at most so
                many seconds ago; None to replace none.
            remember_for: seconds for which the store remembers which messages were
                replaced, from the end of both locks on.

        Raises:
            LockRecordError: if the lock was written by a newer version.
        """
        with self._operation():
            return self._reserve(
                Reservation(
                    key,
                    record,
                    expire,
                    accept_value,
                    replaceable,
                    replace_within,
                    remember_for,
                )
            )

    def restore(self, key: str, token: str, held: Held) -> bool:
        """Give a lock back to the message whose place `token` took.

        It is freed if that has arrived meanwhile, and was told that it is replaced.

        Returns:
            False if `token` did not hold it any more. What is given back to that
            goes on to `held`.
        """
        with self._operation(first=True):
            return self._restore(key, token, held)

    def renew(self, renewals: Sequence[Renewal]) -> list[Renewed]:
        """Hold on to several locks, in a round trip for each node and some hundreds.

        A lock that vanished is taken again under its old fence if nobody holds it.
        The locks in a part of the store that does not answer, while others do, are
        :attr:`Renewed.UNKNOWN`.
        """
        return in_batches(self._renew_batch, renewals, self.timeout)

    def _renew_batch(self, renewals: Sequence[Renewal]) -> list[Renewed]:
        with self._operation(first=True):
            return self._renew(renewals)

    def release(
        self,
        key: str,
        token: str,
        *,
        value: bytes | None = None,
        fresh_for: float = 0,
        finished_for: float = 0,
        heir: Heir | None = None,
        leaving: Leaving | None = None,
    ) -> bool:
        """Free a lock, and store in the same step what the attempt leaves behind.

        Arguments:
            key: of the lock.
            token: that took it; any other does not change the lock.
            value: what :meth:`acquire` hands out for `fresh_for` seconds, if `token`
                still held the lock.
            finished_for: seconds for which the store remembers that this attempt must
                not run again, whether it still held the lock or not; 0 for none.
            heir: for whom the lock is reserved in the same step, if `token` still held
                it: the task's next try, or its successor.
            leaving: that the attempt has yet to store its outcome, whether it still
                held the lock or not; until then :meth:`acquire` lets no second delivery
                of its message in.

        Returns:
            False if `token` did not hold the lock any more. True also if the driver had
            to ask again, and may have freed it the first time.
        """
        with self._operation(first=True):
            return self._release(
                Release(key, token, value, fresh_for, finished_for, heir, leaving)
            )

    def get(self, key: str) -> Held | None:
        """Tell who holds a lock, None if nobody. Raises what :meth:`acquire` does."""
        with self._operation():
            return self._get(key)

    def with_prefix(self, prefix: str) -> Backend:
        """Return the same store, with a prefix for all that it keeps."""
        if not prefix:
            return self
        known: dict[str, Backend] = self.__dict__.setdefault("_prefixed", {})
        return known.get(prefix) or known.setdefault(prefix, self._prefixed_by(prefix))

    def _prefixed_by(self, prefix: str) -> Backend:
        from .prefixed import PrefixedBackend

        return PrefixedBackend(self, prefix)

    def warnings(self) -> list[str]:
        """Return what may end a lock before its time; the store may be asked."""
        return [self.promises.warning] if self.promises.warning else []

    def check(self) -> None:
        """Take a lock and free it, to see whether the store lets us."""
        record = Record(str(Token.of_attempt("check")))
        self.acquire("check", record, expire=1)
        self.release("check", record.token)

    @abstractmethod
    def _acquire(self, wanted: Acquisition) -> StoreAnswer: ...

    @abstractmethod
    def _reserve(self, wanted: Reservation) -> Reserved | Held | Stored: ...

    @abstractmethod
    def _restore(self, key: str, token: str, held: Held) -> bool: ...

    @abstractmethod
    def _renew(self, renewals: Sequence[Renewal]) -> list[Renewed]: ...

    @abstractmethod
    def _release(self, release: Release) -> bool: ...

    @abstractmethod
    def _get(self, key: str) -> Held | None: ...
