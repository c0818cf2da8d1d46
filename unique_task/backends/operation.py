"""One operation of a backend: it waits for its turn, and its errors are translated."""

from __future__ import annotations

from collections.abc import Callable

from .turns import Turns


class Operation:
    """Runs a block when a connection is free, and translates the driver's errors.

    Arguments:
        turns: of the store; None if operations need no connection.
        urgent: the block releases or renews a lock, and goes before other operations.
        driver_errors: the exceptions to translate.
        translate: returns our exception for one of them.

    Raises:
        LockStoreError: if no connection gets free in time.
    """

    # A context manager made of a generator would cost several times as much.
    __slots__ = ("_driver_errors", "_translate", "_turns", "_urgent")

    def __init__(
        self,
        turns: Turns | None,
        urgent: bool,
        driver_errors: tuple[type[Exception], ...],
        translate: Callable[[Exception], Exception],
    ) -> None:
        self._turns = turns
        self._urgent = urgent
        self._driver_errors = driver_errors
        self._translate = translate

    def __enter__(self) -> None:
        if self._turns is not None:
            self._turns.begin(self._urgent)

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if self._turns is not None:
            self._turns.end(self._urgent, answered=error is None)
        if isinstance(error, self._driver_errors):
            raise self._translate(error) from error
