"""What a body that runs without a lock sees as its lock."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..durations import Duration
from .lease import Lease


class Unguarded(Lease):
    """Stands in for the lock of a body that runs without one, and never ends.

    Arguments:
        at_end: is called when the body has ended.
    """

    def __init__(
        self,
        task: Any,
        request: Any,
        owner: str,
        at_end: Callable[[], object] = lambda: None,
    ) -> None:
        self._at_end = at_end
        self.task = task
        self.request = request
        self.key = ""
        self.owner = owner
        self.fence = None
        self.outer = None
        self.fresh = None
        self.renew = False
        self.whole = False
        self.heir = None
        self.successor = None
        self.departure = None
        self.freed = True

    @property
    def lost(self) -> bool:
        return False

    def remaining(self) -> float:
        return math.inf

    def extend(self, seconds: Duration) -> bool:
        return True

    def announce(self) -> None:
        pass

    def free(self, value: bytes | None = None, *, leaves: bool = False) -> bool | None:
        self._at_end()
        return True
