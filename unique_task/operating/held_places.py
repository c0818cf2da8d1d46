"""The places of a key that an operator takes: all of them, or none."""

from __future__ import annotations

import logging
import os

from ..backends.record import HELD, Record, Token
from ..backends.steps import Acquired, Held, Renewal, Renewed
from ..exceptions import LockStoreError
from .targets import Target

logger = logging.getLogger(__name__)

#: Seconds for which a place stands until all are taken: whoever is killed meanwhile
#: blocks the key for no longer.
_LEASE = 15.0


class Places:
    """The places of a lock, for one hold.

    Arguments:
        by: who holds it.
        reason: why, for people.
        seconds: for which to hold it, once all places are taken.

    Attributes:
        record: of one place; all have the same owner.
    """

    def __init__(self, target: Target, by: str, reason: str, seconds: float) -> None:
        owner = f"hold-{os.urandom(6).hex()}"
        self._target = target
        self._records = [
            Record(
                Token.of_attempt(owner), target.task, state=HELD, by=by, reason=reason
            )
            for _ in range(target.limit)
        ]
        self.record = self._records[0]
        self._seconds = seconds
        self._fences: dict[str, int | None] = {}

    @property
    def fence(self) -> int | None:
        """The greatest fence of all places; None where the store has no clock."""
        return max((f for f in self._fences.values() if f is not None), default=None)

    def take(self) -> bool:
        """Take the places that are free; tell whether all are taken now.

        The time of the hold begins then.

        Raises:
            LockStoreError: if the store does not answer.
        """
        lease = min(_LEASE, self._seconds)
        self._keep(lease)
        for record in self._records:
            if record.token not in self._fences and not self._take_one(record, lease):
                self._give_way()
                return False
        return self._keep(self._seconds)

    def _give_way(self) -> None:
        """Leave the places to another hold that waits for them, too.

        Two holds with some places each would wait for each other until their time is
        over. So the one that is not the first by name takes none::

            one    has a place, wants two  has two
            other  has a place, gives it back
        """
        owner = self.record.owner
        holds = (one.record.owner for one in self.others() if one.record.hold)
        if self._fences and any(other < owner for other in holds):
            self.give_back()
            self._fences.clear()

    def _take_one(self, record: Record, lease: float) -> bool:
        target = self._target
        answer = target.backend.acquire(target.key, record, lease, limit=target.limit)
        if not isinstance(answer, Acquired):
            return False
        fenced = target.backend.promises.fenced
        self._fences[record.token] = answer.fence if fenced else None
        return True

    def _keep(self, seconds: float) -> bool:
        """Hold what is taken for more seconds; tell whether that is all there is."""
        taken = [one for one in self._records if one.token in self._fences]
        answers = self._target.backend.renew(
            [self._kept(one, seconds) for one in taken]
        )
        for record, answer in zip(taken, answers):
            if answer not in (Renewed.HELD, Renewed.RETAKEN):
                del self._fences[record.token]
        return len(self._fences) == len(self._records)

    def _kept(self, record: Record, seconds: float) -> Renewal:
        target, fence = self._target, self._fences[record.token]
        return Renewal(target.key, record, fence, seconds, limit=target.limit)

    def others(self) -> list[Held]:
        """Return who else holds the lock, the one that ends first at the front."""
        holders = self._target.backend.holders(self._target.key)
        return [one for one in holders if one.record.owner != self.record.owner]

    def give_back(self) -> None:
        """Release what is taken, also if the store did not say that it gave it."""
        target = self._target
        try:
            for record in self._records:
                target.backend.release(target.key, record.token, limit=target.limit)
        except LockStoreError as error:
            # Whatever ended the hold is told, not this.
            logger.warning(
                "%s is held for at most %.0f s more: %s",
                *(target.key, self._seconds, error),
            )
