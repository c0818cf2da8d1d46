"""The attempt to run a call under a lock."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from ..backends.base import Backend
from ..backends.record import Record, Token
from ..backends.steps import Release
from ..counting import names
from ..counting.tally import count
from ..leases.background import release_later
from ..leases.current import progress_at
from ..messages.lock_header import LockHeader
from ..options.plan import Plan
from .call import Call


@dataclass(eq=False, repr=False)
class Attempt:
    """A call that tries to run its body, with a key and a token.

    Attributes:
        record: of the lock that the body needs.
        published: the lock header of the message.
        limit: how many attempts may hold the key at once.
        shadow: whether the body runs in any case.
        lock: name under which the store keeps the lock of the run.
        finished_for: seconds for which the store keeps the finished mark of the
            attempt; 0 if its message cannot be delivered again.
        remember_for: seconds for which the store remembers that the attempt got the
            lock.
    """

    call: Call
    plan: Plan
    backend: Backend
    key: str
    record: Record
    published: LockHeader | None = None
    limit: int = 1
    shadow: bool = False
    lock: str = field(init=False)
    finished_for: float = field(default=0.0, init=False)
    remember_for: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        plan, call = self.plan, self.call
        self.lock = plan.lock.run_name(self.key, call.owner)
        # The broker waits for an acknowledgement for half of this time.
        if call.may_be_redelivered(plan.remember_for / 2):
            self.finished_for = plan.remember_for
            self.remember_for = plan.remember_for + plan.lease
        else:
            self.record.final = True
            # Where one holds the lock, that keeps a second delivery from running. Where
            # several do, the store has to know that the first one was let in.
            if self.run_limit > 1 and call.queued:
                self.remember_for = plan.lease

    @property
    def patience(self) -> float:
        """Longest time in seconds that a retry waits for the try that sent it.

        It waits in its worker's slot.
        """
        return -1.0 if self.shadow else 1.0

    @property
    def reservation(self) -> str:
        """Name under which the store keeps the lock that is taken at publish."""
        return self.plan.lock.reservation_name(self.key)

    @property
    def run_limit(self) -> int:
        """How many attempts may hold the lock of the run at once."""
        return self.plan.lock.run_limit(self.limit)

    @property
    def reservation_limit(self) -> int:
        """How many reservations of the key there may be at once."""
        return self.plan.lock.reservation_limit(self.limit)

    @property
    def reserved(self) -> tuple[str, ...]:
        """The token that reserved a lock for the message; empty if none did."""
        if self.published is None or not self.plan.lock.taken_at_publish:
            return ()
        token = self.published.token
        return (token,) if token and Token.belongs_to(token, self.call.owner) else ()

    @property
    def given_up(self) -> tuple[str, ...]:
        """Tokens that give the lock of the run up to this attempt."""
        tokens = self.call.waited.unanswered
        return tokens + self.reserved if self.plan.lock.held_to_end else tokens

    @property
    def follows(self) -> str:
        """Id of the task that a successor waits for; its own id if that is unknown."""
        follows = self.published.follows if self.published is not None else None
        return follows or self.call.owner

    @property
    def generation(self) -> int | None:
        """Fence of the reservation, if a later message may replace this one."""
        return self.published.generation if self.published is not None else None

    def note_reservation_handled(self) -> None:
        """Note that the guard has taken care of what the message reserved."""
        if self.published is not None and self.reserved:
            progress_at(self.call.request).reservation_handled = True

    def count(self, counter: str, seconds: float | None = None) -> None:
        """Count something that has happened to the call."""
        count(self.backend, self.record.task, counter, seconds)

    def count_waited(self) -> None:
        """Count for how long the call has waited, if it has gone back to its queue."""
        waited = self.call.waited
        if waited.times:
            self.count(names.WAITED, max(0.0, time.time() - waited.since))

    def release_unused(self) -> None:
        """Release the lock that the store may have given, without waiting for it."""
        release = Release(self.lock, self.record.token, limit=self.run_limit)
        release_later(self.backend, release)
