"""A call that wants to run its body, under a key and a token of its own."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property, partial

from ..backends.base import Backend
from ..backends.record import Record, Token
from ..exceptions import LockStoreError
from ..leases.background import in_background, release_later
from ..messages.lock_header import LockHeader
from ..options.plan import Plan
from .call import Call

logger = logging.getLogger(__name__)


@dataclass
class Attempt:
    """A call that wants to run its body.

    Attributes:
        key: that makes it equal to others.
        record: of the lock that it wants to run under.
        published: what its message says of the lock that was reserved for it.
    """

    call: Call
    plan: Plan
    backend: Backend
    key: str
    record: Record
    published: LockHeader | None = None

    @property
    def lock(self) -> str:
        """Under what the store keeps the lock that the body runs under."""
        return self.plan.lock.run_name(self.key, self.call.owner)

    @property
    def reservation(self) -> str:
        """Under what the store keeps the lock that is taken at publish."""
        return self.plan.lock.reservation_name(self.key)

    @property
    def reserved(self) -> tuple[str, ...]:
        """The token that reserved a lock for the message; nothing if none was."""
        token = self.published.token if self.published is not None else None
        if not Token.belongs_to(token, self.call.owner):
            return ()
        return (token,) if token and self.plan.lock.taken_at_publish else ()

    @property
    def follows(self) -> str:
        """Id of the task that a successor waits for; its own where nobody knows it."""
        follows = self.published.follows if self.published is not None else None
        return follows or self.call.owner

    @property
    def generation(self) -> int | None:
        """The fence of that, if a later message may have taken its place."""
        return self.published.generation if self.published is not None else None

    def finish(self) -> None:
        """Remember that the attempt is over; it held no lock."""
        token, remember = self.record.token, self.remember
        finish = partial(self.backend.release, self.lock, token, finished_for=remember)
        try:
            finish()
        except LockStoreError as error:
            logger.warning("%s may run if it comes again: %s", self.call.owner, error)
            in_background(self.backend, finish)

    def abandon(self) -> None:
        """Free the lock that the store may have given; nobody waits for that."""
        release_later(self.backend, self.lock, self.record.token)

    def give_up(self) -> None:
        """Free what was reserved for the message, which will not run."""
        if self.plan.lock.ends_by_time:
            return
        for token in self.reserved:
            for name in self.plan.lock.reservation_names(self.key):
                self._free(name, token)

    def _free(self, name: str, token: str) -> None:
        try:
            self.backend.release(name, token)
        except LockStoreError as error:
            logger.warning("%s cannot free its lock yet: %s", self.call.owner, error)
            release_later(self.backend, name, token)

    def note_settled(self) -> None:
        """Remember that the guard has dealt with what was reserved for the message."""
        if self.reserved:
            self.call.note_settled()

    @cached_property
    def remember_for(self) -> float:
        """Seconds for which to remember that it was let in: also while it may run."""
        return self.remember + self.plan.lease if self.remember else 0.0

    @cached_property
    def remember(self) -> float:
        """Seconds for which to remember it; 0 if its message cannot come again."""
        # Half of it is what the broker waits for an acknowledgement.
        remember = self.plan.remember_for
        return remember if self.call.may_come_again(remember / 2) else 0.0
