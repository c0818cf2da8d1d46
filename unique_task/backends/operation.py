"""One operation of a backend: it waits for its turn, and its errors are translated."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from .base import Backend

Answer = TypeVar("Answer")


def in_turn(
    backend: Backend, ask: Callable[..., Answer], *question: Any, urgent: bool = False
) -> Answer:
    """Ask the driver when a connection is free, and translate its errors.

    Arguments:
        backend: whose operation it is.
        ask: calls the driver.
        question: arguments of `ask`.
        urgent: it releases or renews a lock, and goes before other operations.

    Raises:
        LockStoreError: for the driver's errors; if no connection gets free in time.
    """
    turns, answered = backend._turns, False
    if turns is not None:
        turns.begin(urgent)
    try:
        answer = ask(*question)
        answered = True
        return answer
    except backend.driver_errors as error:
        raise backend._translated(error) from error
    finally:
        if turns is not None:
            turns.end(urgent, answered)
