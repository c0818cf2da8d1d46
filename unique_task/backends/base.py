"""The contract of every backend: what it does with a lock, each in one atomic step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial

from ..exceptions import LockStoreError, LockStoreRefusedError
from .batches import in_batches
from .findings import Finding
from .operation import in_turn
from .promises import Promises
from .record import Record, Token
from .safe_names import fingerprint_of
from .steps import (
    Acquisition,
    Heir,
    Held,
    Leaving,
    Release,
    Renewal,
    RenewAnswer,
    Reservation,
    Reserved,
    StoreAnswer,
    Stored,
)
from .turns import Turns


class Backend(ABC):
    """Keeps locks in one store.

    A lock is one :class:`Record` under a key. Tokens are compared to find its holder,
    and the store's own clock ends it. Every method is one atomic step for each key. All
    times are seconds. If the store does not answer, a method raises LockStoreError; if
    it refuses until a person mends something, LockStoreRefusedError.

    To write one, implement the hooks (the abstract methods), and say in `driver_errors`
    what the driver raises.
    """

    #: Exceptions of the driver for a store that does not answer or refuses.
    driver_errors: tuple[type[Exception], ...] = ()

    #: Of the store, for people: without password.
    name: str = ""
    #: False if each process has locks of its own.
    shared = True

    #: Seconds that one operation may take at most.
    timeout: float = 2.0

    #: What the store can do, for the documentation and the code that depends on it.
    promises: Promises = Promises()

    #: Limits the connections of this process; None if operations need no connection.
    _turns: Turns | None = None

    @classmethod
    @abstractmethod
    def from_url(cls, url: str, timeout: float) -> Backend:
        """Return a backend for `url`; it must not connect before it is used.

        Raises:
            ConfigurationError: if the URL cannot be read.
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
        limit: int = 1,
    ) -> StoreAnswer:
        """Take `key` for `expire` seconds, unless `limit` others hold it.

        A token that holds the key gets it again under the same fence, so a client may
        repeat a call whose answer was lost. :class:`.Acquisition` has the arguments.

        Raises:
            LockRecordError: if a newer version wrote the lock.
        """
        more = take_over_from, keep_end, generation, limit
        wanted = Acquisition(key, record, expire, accept_value, remember_for, *more)
        return in_turn(self, self._acquire, wanted)

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
        limit: int = 1,
    ) -> Reserved | Held | Stored:
        """Take `key` for a message about to be published, unless `limit` others do.

        :class:`.Reservation` has the arguments. It raises what :meth:`acquire` does.
        """
        more = replaceable, replace_within, remember_for, limit
        wanted = Reservation(key, record, expire, accept_value, *more)
        return in_turn(self, self._reserve, wanted)

    def restore(self, key: str, token: str, held: Held) -> bool:
        """Give a lock back to the message whose place `token` took.

        If that message has arrived meanwhile and heard that it is replaced, the lock
        becomes free.

        Returns:
            False if `token` did not hold the lock any more. A lock that is given back
            to `token` later goes on to `held`.
        """
        return in_turn(self, self._restore, key, token, held, urgent=True)

    def renew(self, renewals: Sequence[Renewal]) -> list[RenewAnswer]:
        """Renew several locks, in one round trip for some hundreds on each node.

        A lock that vanished and is free is taken again under its old fence, see
        :class:`Renewal`; :class:`.Renewed` has the outcomes.
        """
        renew = partial(in_turn, self, self._renew, urgent=True)
        return in_batches(renew, renewals, self.timeout)

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
        limit: int = 1,
    ) -> bool:
        """Release a lock, and store in the same step what the attempt leaves behind.

        :class:`.Release` has the arguments.

        Returns:
            False if `token` did not hold the lock any more. True also if the driver had
            to ask again, and may have released it the first time.
        """
        left = Release(key, token, value, fresh_for, finished_for, heir, leaving, limit)
        return self.release_as(left)

    def release_as(self, left: Release) -> bool:
        """Do what :meth:`release` does, for arguments that stand together."""
        return in_turn(self, self._release, left, urgent=True)

    def released_by(self, key: str, token: str) -> str | None:
        """Return who left a tombstone of `token`, if any; raises what `get` does."""
        return in_turn(self, self._released_by, key, token)

    def get(self, key: str) -> Held | None:
        """Return the holder that ends first, if any; raises what `acquire` does."""
        return in_turn(self, self._get, key)

    def holders(self, key: str) -> list[Held]:
        """Return all holders of a lock, the one whose lock ends first at the front."""
        return in_turn(self, self._holders, key)

    def with_prefix(self, prefix: str) -> Backend:
        """Return a backend for the same store that puts `prefix` before every key."""
        if not prefix:
            return self
        known: dict[str, Backend] = self.__dict__.setdefault("_prefixed", {})
        return known.get(prefix) or known.setdefault(prefix, self._prefixed_by(prefix))

    def _prefixed_by(self, prefix: str) -> Backend:
        from .prefixed import PrefixedBackend

        return PrefixedBackend(self, prefix)

    def current(self) -> Backend:
        """Return the backend for where the store is now, which tests may move."""
        return self

    def findings(self) -> list[Finding]:
        """Return what may end a lock before its time; raises what :meth:`get` does."""
        return self.promises.findings()

    def check(self) -> None:
        """Take a lock and release it, to see whether the store allows that."""
        taken = Record(Token.of_attempt("check"))
        self.acquire("check", taken, expire=1)
        self.release("check", taken.token)

    @property
    def fingerprint(self) -> str:
        """Names this store in a message that has a lock in it."""
        return fingerprint_of(self._identity())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    def _translated(self, error: Exception) -> LockStoreError:
        """Return the error of ours for one of the driver's."""
        kind = LockStoreRefusedError if self._refuses(error) else LockStoreError
        return kind(f"{self.name}: {self._reason(error)}")

    @abstractmethod
    def _acquire(self, wanted: Acquisition) -> StoreAnswer: ...

    @abstractmethod
    def _reserve(self, wanted: Reservation) -> Reserved | Held | Stored: ...

    @abstractmethod
    def _restore(self, key: str, token: str, held: Held) -> bool: ...

    @abstractmethod
    def _renew(self, renewals: Sequence[Renewal]) -> Sequence[RenewAnswer]: ...

    @abstractmethod
    def _release(self, release: Release) -> bool: ...

    @abstractmethod
    def _get(self, key: str) -> Held | None: ...

    def _released_by(self, key: str, token: str) -> str | None:
        """A store that keeps no tombstones need not override this."""
        return None

    def _holders(self, key: str) -> list[Held]:
        """A store of one holder for each lock need not override this."""
        return [held] if (held := self._get(key)) else []

    def _identity(self) -> str:
        """Return what tells this store from others, in every process that uses it."""
        return self.name

    def _refuses(self, error: Exception) -> bool:
        """Tell whether the store refuses until a person mends something."""
        return False

    def _reason(self, error: Exception) -> str:
        """Return the text of the driver's error, for people."""
        return str(error)
