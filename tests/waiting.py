"""Wait for something to become true, and say what did not when it does not."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")
Made = TypeVar("Made")

INTERVAL = 0.01


def wait_until(
    condition: Callable[[], Found],
    timeout: float = 30,
    message: str | Callable[[], str] = "the condition did not become true",
) -> Found:
    """Return the first true value of `condition()`; a timeout fails with `message`.

    It is asked once more when the time is out: the machine may have stood still.
    """
    deadline = time.monotonic() + timeout
    late = False
    while not (found := condition()):
        if late:
            said = message if isinstance(message, str) else message()
            raise AssertionError(f"After {timeout} s: {said}")
        time.sleep(INTERVAL)
        late = time.monotonic() > deadline
    return found


def in_time(make: Callable[[], Made], seconds: float) -> Made:
    """Return what `make()` makes in less than so many seconds.

    What a busy machine took longer for is made anew, so it needs a key of its own.
    """

    def made() -> list[Made]:
        began = time.monotonic()
        result = make()
        return [result] if time.monotonic() - began < seconds else []

    [result] = wait_until(made, message=f"it always takes {seconds} s or longer")
    return result
