"""How a store is reached: its name, its connections, and what its driver says."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from ..exceptions import LockStoreError, LockStoreRefusedError
from .promises import Promises
from .safe_names import fingerprint_of
from .turns import Turns


class Connected(ABC):
    """A store, without what it does."""

    #: What the driver raises when the store does not answer or refuses.
    driver_errors: tuple[type[Exception], ...] = ()

    #: Where the locks live, for people: without password.
    name: str = ""

    #: False if each process has locks of its own.
    shared = True

    #: Seconds that one operation may take at most.
    timeout: float = 2.0

    #: What the store can do, for the documentation and for who depends on it.
    promises: Promises = Promises()

    #: Bounds the connections of this process; None where operations take none.
    _turns: Turns | None = None

    @property
    def fingerprint(self) -> str:
        """What a message tells of the store in which it has a lock."""
        return fingerprint_of(self._identity())

    def _identity(self) -> str:
        """Return what tells this store from others, in every process that uses it."""
        return self.name

    @contextmanager
    def _operation(self, first: bool = False) -> Iterator[None]:
        """Do the block when there is a connection for it, in our words for its errors.

        Arguments:
            first: whether it frees or keeps a lock, and goes before those that start.
        """
        with self._turns.one(first) if self._turns else nullcontext():
            try:
                yield
            except self.driver_errors as error:
                kind = LockStoreRefusedError if self._refuses(error) else LockStoreError
                raise kind(f"{self.name}: {self._reason(error)}") from error

    def _refuses(self, error: Exception) -> bool:
        """Tell whether the store will say so until somebody mends it."""
        return False

    def _reason(self, error: Exception) -> str:
        return str(error)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"
