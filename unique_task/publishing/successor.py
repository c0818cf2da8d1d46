"""A successor: a call that is sent on purpose for after the one that holds its key."""

from __future__ import annotations

import logging
from dataclasses import replace

from ..backends.steps import Heir
from ..leases.current import held_lease
from ..leases.held_lease import HeldLease
from ..options.lock_types import LOCK_TYPES
from .outgoing import Outgoing
from .reserve import reserve
from .ticket import Answered, Ticket

logger = logging.getLogger(__name__)


def send_after(outgoing: Outgoing) -> Ticket | Answered:
    """Let a message wait for whoever holds its key; there is one that does at a time.

    What waits has a place of its own in the store, beside the lock::

        holder      sends one  sends another  retries, sends a third   ends
        successor   waits ..................................................  runs
        the others             are duplicates of the one that waits

    Raises:
        LockStoreError: if the store does not answer.
        UniqueKeyError: if the arguments cannot be made a key.
    """
    lease = held_lease(outgoing.key, outgoing.backend)
    # As a plain call it would be answered by the value of the run that it follows.
    if lease is None and outgoing.plan.value_ttl is None and _is_free(outgoing):
        outgoing.said = replace(outgoing.said, successor=False)
        outgoing.forget_plan()
        return reserve(outgoing, stored=False)
    decision = reserve(outgoing, stored=False)
    if isinstance(decision, Answered):
        logger.warning(
            "%s[%s] is not sent: a successor of this key waits already, %s",
            *(outgoing.task.name, outgoing.id, decision.result.id),
        )
        _hand_on_to_waiting(lease, outgoing)
        return decision
    token = decision.published.token if decision.published is not None else None
    if lease is not None and lease.held_to_end and token is not None:
        _hand_on(lease, outgoing, token)
    return decision


def _hand_on_to_waiting(lease: HeldLease | None, outgoing: Outgoing) -> None:
    """Let the one that an earlier try has sent have the lock when its holder ends."""
    if lease is None or not lease.held_to_end or lease.successor is not None:
        return
    waits = outgoing.backend.get(outgoing.reservation)
    if waits is not None:
        lease.successor = Heir(waits.record, waits.remaining)


def _is_free(outgoing: Outgoing) -> bool:
    """Tell whether the call can have the lock itself, which it would be handed else."""
    whole = LOCK_TYPES[outgoing.plan.lock.name].held_to_end
    return whole and outgoing.backend.get(outgoing.key) is None


def _hand_on(lease: HeldLease, outgoing: Outgoing, token: str) -> None:
    """Let the successor have the lock when its holder ends, if it can be sent."""
    record, undo = replace(outgoing.record(), token=token), outgoing.undo
    before, lease.successor = lease.successor, Heir(record, outgoing.pending)

    def keep() -> None:
        lease.successor = before
        if undo is not None:
            undo()

    outgoing.undo = keep
