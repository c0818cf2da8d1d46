"""How a lock is held for longer, and what keeps its token from that."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from urllib.parse import quote, unquote

from .record import Record

#: First word of every tombstone. One of a newer version keeps its token out, too.
_VERSION = "1"

#: Letters of a name that are kept.
_LONGEST = 200


@dataclass
class Renewal:
    """A lock to hold for `expire` more seconds.

    For `remember_for` more seconds (if not 0) the store remembers that the attempt got
    the lock. With `leaving` the lock is free already, and the attempt renews only that
    it is alive; see :class:`.Leaving`. A lock that vanished is taken again if fewer
    than `limit` tokens hold it, and no :class:`Tombstone` of this token stands.
    """

    key: str
    record: Record
    fence: int | None
    expire: float
    remember_for: float = 0
    leaving: bool = False
    limit: int = 1


class Renewed(Enum):
    """The outcome of a renewal."""

    HELD = "held"
    #: The lock had vanished (restart, flush, stall) and was free: it was taken again.
    RETAKEN = "retaken"
    #: Another token holds it.
    TAKEN = "taken"
    #: Its part of the store did not answer, while others did.
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class ReleasedBy:
    """The outcome where somebody else has released the lock: it was not taken again.

    Attributes:
        name: who did, for people.
    """

    name: str

    @classmethod
    def parse(cls, text: bytes) -> ReleasedBy:
        """Read what :meth:`Tombstone.text` wrote."""
        version, _, rest = text.decode(errors="backslashreplace").partition(" ")
        if version != _VERSION:
            return cls("somebody with a newer version of unique_task")
        return cls(unquote(rest.partition(" ")[0]))


#: The answers of :meth:`.Backend.renew`.
RenewAnswer = Renewed | ReleasedBy


@dataclass(frozen=True)
class Tombstone:
    """Keeps the token of a lock that somebody else releases from taking it again.

    Only renewals look for it, and only where the lock is not under their token. While
    the lock's time would have gone on, the attempt counts as leaving, see
    :class:`.Leaving`: no second delivery of its message may run beside it.

    Attributes:
        by: who releases the lock; the holder is told.
        seconds: for which it stands, at least for as long as the holder may stall.
    """

    # Stored as version, by. Wire format: add words only at the end.

    by: str
    seconds: float

    def text(self) -> bytes:
        """Return what a store keeps: plain ASCII, without line ends."""
        return f"{_VERSION} {quote(self.by[:_LONGEST], safe='@')}".encode()


def tombstone_name(token: str) -> str:
    """Return the name of the cell with the tombstone of a token."""
    return f"released:{token}"
