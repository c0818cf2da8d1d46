"""The contract of a store of locks: what every backend does, in single atomic steps."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from .batches import in_batches
from .connected import Connected
from .record import Record, Token
from .steps import (
    Booking,
    Claim,
    Heir,
    Held,
    Leaving,
    Release,
    Renewal,
    Renewed,
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
        stored: bool = False,
        once: float = 0,
        over: Sequence[str] = (),
        keep: bool = False,
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
            stored: accept a fresh value of an earlier run in place of the lock, unless
                the attempt was given the lock before.
            once: seconds for which it is remembered that this attempt, whose token may
                have any nonce, was given the lock. If it was released as finished, it
                is told so; while an earlier delivery is leaving, that is who holds the
                lock. 0 to remember nothing, and not to ask.
            over: tokens from which to take it over, under a greater fence: the one that
                reserved it for this very message, and those of attempts that are dead
                or never heard that they had got it. It is taken over once, as its token
                is then another. A token that takes over from itself, to wait for
                longer, can still be replaced if it could be before.
            keep: leave the end of a lock that is taken over as it is.
            generation: fence under which it was reserved for this message, if a later
                one might have taken its place.

        Raises:
            LockRecordError: if the lock was written by a newer version.
        """
        with self._operation():
            return self._acquire(
                Claim(key, record, expire, stored, once, over, keep, generation)
            )

    def reserve(
        self,
        key: str,
        record: Record,
        expire: float,
        *,
        stored: bool = False,
        replaceable: bool = True,
        replace: float | None = None,
        remember: float = 0,
    ) -> Reserved | Held | Stored:
        """Take `key` for a message that is about to be published, unless it is held.

        Arguments:
            key: of the lock.
            record: with the token that travels in the message; the lock that it waits
                for already it is given again.
            expire: how long the lock stands if the message does not start.
            stored: accept a fresh value of an earlier run in place of the lock.
            replaceable: whether a later message may take the place of this one.
            replace: take the place of another message that has not started, if the
                first of those that it replaced in turn was published at most so many
                seconds ago; None to replace nobody.
            remember: seconds for which it is known who was replaced, after the time of
                both locks is over.

        Raises:
            LockRecordError: if the lock was written by a newer version.
        """
        with self._operation():
            return self._reserve(
                Booking(key, record, expire, stored, replaceable, replace, remember)
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
        fresh: float = 0,
        finished: float = 0,
        heir: Heir | None = None,
        leaving: Leaving | None = None,
    ) -> bool:
        """Free a lock, and store in the same step what the attempt leaves behind.

        Arguments:
            key: of the lock.
            token: that took it; any other does not change the lock.
            value: what :meth:`acquire` shall hand out for `fresh` seconds, if `token`
                still held the lock.
            finished: seconds for which it is remembered that this attempt must not run
                again, whether it still held the lock or not; 0 to remember nothing.
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
                Release(key, token, value, fresh, finished, heir, leaving)
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
        """Return what may end a lock before its time, for the log of a worker.

        A store may be asked for that. What it does not tell is left out.
        """
        return [self.promises.warning] if self.promises.warning else []

    def check(self) -> None:
        """Take a lock and free it, to see whether the store lets us."""
        record = Record(str(Token.of_attempt("check")))
        self.acquire("check", record, expire=1)
        self.release("check", record.token)

    @abstractmethod
    def _acquire(self, claim: Claim) -> StoreAnswer: ...

    @abstractmethod
    def _reserve(self, booking: Booking) -> Reserved | Held | Stored: ...

    @abstractmethod
    def _restore(self, key: str, token: str, held: Held) -> bool: ...

    @abstractmethod
    def _renew(self, renewals: Sequence[Renewal]) -> list[Renewed]: ...

    @abstractmethod
    def _release(self, release: Release) -> bool: ...

    @abstractmethod
    def _get(self, key: str) -> Held | None: ...
