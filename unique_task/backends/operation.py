"""One operation of a backend: it waits for its turn, and its errors are translated."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .base import Backend


class Operation:
    """Runs a block when a connection is free, and translates the driver's errors.

    Arguments:
        backend: whose operation it is.
        urgent: the block releases or renews a lock, and goes before other operations.

    Raises:
        LockStoreError: if no connection gets free in time.
    """

    # A context manager made of a generator would cost several times as much.
    __slots__ = ("_backend", "_turns", "_urgent")

    def __init__(self, backend: Backend, urgent: bool) -> None:
        self._backend = backend
        self._turns = backend._turns
        self._urgent = urgent

    def __enter__(self) -> None:
        if self._turns is not None:
            self._turns.begin(self._urgent)

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if self._turns is not None:
            self._turns.end(self._urgent, answered=error is None)
        if isinstance(error, self._backend.driver_errors):
            raise self._backend._translated(error) from error
