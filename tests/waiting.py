"""Wait for something to become true, and say what did not when it does not."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

INTERVAL = 0.01


def wait_until(
    condition: Callable[[], Found],
    timeout: float = 10,
    message: str | Callable[[], str] = "the condition did not become true",
) -> Found:
    """Return the first true value of `condition()`; a timeout fails with `message`."""
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        if time.monotonic() > deadline:
            said = message if isinstance(message, str) else message()
            raise AssertionError(f"After {timeout} s: {said}")
        time.sleep(INTERVAL)
    return found
