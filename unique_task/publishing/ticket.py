"""What is decided of a message before it is sent: go, and under which lock, or stay."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from ..backends.record import Record
from ..messages.lock_header import LockHeader
from .outgoing import Outgoing


@dataclass
class Answered:
    """Nothing is to be sent; this is what the call returns."""

    result: Any


@dataclass
class Ticket:
    """The message is to be sent.

    Attributes:
        published: what it says of its lock, if there is something to say.
    """

    published: LockHeader | None = None


def with_token(
    outgoing: Outgoing,
    record: Record,
    pending: float,
    generation: int | None = None,
) -> LockHeader:
    """Return what a message says of the lock that waits for it."""
    return outgoing.published(
        key=outgoing.key,
        token=record.token,
        generation=generation,
        until=time.time() + pending,
        store=outgoing.backend.fingerprint,
        lock=outgoing.plan.lock.name,
    )
