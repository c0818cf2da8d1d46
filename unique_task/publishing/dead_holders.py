"""Finds holders that have ended for good without releasing their lock."""

from __future__ import annotations

from collections.abc import Iterator

from ..backends.steps import Held
from ..leases.process import is_gone
from .outgoing import Outgoing


def dead_holders(outgoing: Outgoing, held: Held) -> Iterator[str]:
    """Yield the tokens of dead holders of the lock that a message needs.

    A holder whose message comes again keeps the lock: it will run.

    Arguments:
        held: the holder whose lock ends first.
    """
    holders = [held]
    # Where the lock is no run's, no holder has a process.
    if outgoing.limit > 1 and outgoing.plan.lock.held_to_end:
        holders = outgoing.backend.holders(outgoing.reservation)
    for each in holders:
        if each.record.final and is_gone(each.record.process):
            yield each.record.token
