"""The lock of a run in shadow mode: its body and the users' receivers see none."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

from ..durations import Duration
from .held_lease import HeldLease

logger = logging.getLogger(__name__)


@dataclass(eq=False, repr=False)
class ShadowLease(HeldLease):
    """The lock of a run in shadow mode, by which other calls are counted.

    The body sees what a body sees that runs without a lock. Else it might stop because
    its lock is lost, or write with a fence that other calls do not have.
    """

    def __post_init__(self, asked_at: float) -> None:
        super().__post_init__(asked_at)
        self.fence = None

    @property
    def loss(self) -> str:
        return ""

    def remaining(self) -> float:
        return math.inf

    def extend(self, seconds: Duration) -> bool:
        return True

    def release(self) -> bool:
        super().release()
        return True

    def send_acquired(self) -> None:
        """Send no signal: the lock keeps nobody from running."""

    def send_released(self) -> None:
        """Send no signal, as for `send_acquired`."""

    def note_loss(self, reason: str, *, in_thread: bool = False) -> None:
        """Note that calls may not be counted: nothing else comes of it."""
        logger.debug("%s[%s]: %s", self.task.name, self.owner, reason)
