"""A call that wants to run its body, under a key and a token of its own."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property

from .backends.base import Backend
from .backends.record import Record
from .calls import Call
from .exceptions import LockStoreError
from .plan import Plan

logger = logging.getLogger(__name__)


@dataclass
class Attempt:
    """A call that wants to run its body."""

    call: Call
    plan: Plan
    backend: Backend
    key: str
    record: Record

    def finish(self) -> None:
        """Remember that the attempt is over; it held no lock."""
        try:
            token = self.record.token
            self.backend.release(self.key, token, finished=self.remember)
        except LockStoreError as error:
            logger.warning("%s may run if it comes again: %s", self.call.owner, error)

    @cached_property
    def once(self) -> float:
        """Seconds for which to remember that it was let in: also while it may run."""
        return self.remember + self.plan.lease if self.remember else 0.0

    @cached_property
    def remember(self) -> float:
        """Seconds for which to remember it; 0 if its message cannot come again."""
        # Half of it is what the broker waits for an acknowledgement.
        remember = self.plan.remember
        return remember if self.call.may_come_again(remember / 2) else 0.0
