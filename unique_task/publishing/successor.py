"""Sends a successor: a call that runs after the holder of its key."""

from __future__ import annotations

import logging
from dataclasses import replace

from ..backends.steps import Heir
from ..leases.current import held_lease
from ..leases.held_lease import HeldLease
from ..options.lock_types import LOCK_TYPES
from .outgoing import NotSent, Outgoing, ToSend
from .reserve import reserve

logger = logging.getLogger(__name__)


def send_after(outgoing: Outgoing) -> ToSend | NotSent:
    """Let a message wait for the holder of its key; one message at a time may wait.

    The store keeps its reservation beside the lock::

        holder      sends one  sends another  retries, sends a third   ends
        successor   waits ..................................................  runs
        the others             are duplicates of the one that waits

    Raises:
        LockStoreError: if the store does not answer.
        UniqueKeyError: if the arguments cannot be made a key.
    """
    lease = held_lease(outgoing.key, outgoing.backend)
    # A plain call would get the value of the run that it has to follow.
    if lease is None and outgoing.plan.value_ttl is None and _is_free(outgoing):
        outgoing.make_plain()
        return reserve(outgoing, accept_value=False)
    decision = reserve(outgoing, accept_value=False)
    if isinstance(decision, NotSent):
        logger.warning(
            "%s[%s] is not sent: a successor of this key waits already, %s",
            *(outgoing.task.name, outgoing.id, decision.result.id),
        )
        _make_waiting_successor(lease, outgoing)
        return decision
    token = decision.lock.token if decision.lock is not None else None
    if lease is not None and lease.held_to_end and token is not None:
        _make_successor(lease, outgoing, token)
    return decision


def _make_waiting_successor(lease: HeldLease | None, outgoing: Outgoing) -> None:
    """Hand the lock, when its holder ends, to the successor that already waits."""
    if lease is None or not lease.held_to_end or lease.successor is not None:
        return
    if lease.limit > 1:
        # It may be the successor of another holder, which hands its own lock on.
        return
    waits = outgoing.backend.get(outgoing.reservation)
    if waits is not None:
        lease.successor = Heir(waits.record, waits.remaining)


def _is_free(outgoing: Outgoing) -> bool:
    """Tell whether the call can have its lock at once, and hold it to its end."""
    held_to_end = LOCK_TYPES[outgoing.plan.lock.name].held_to_end
    return held_to_end and outgoing.backend.get(outgoing.key) is None


def _make_successor(lease: HeldLease, outgoing: Outgoing, token: str) -> None:
    """Hand the lock, when its holder ends, to this message, if it can be sent."""
    record, undo = replace(outgoing.record(), token=token), outgoing.undo.action
    before, lease.successor = lease.successor, Heir(record, outgoing.pending)

    def keep_former() -> None:
        lease.successor = before
        if undo is not None:
            undo()

    outgoing.undo.action = keep_former
