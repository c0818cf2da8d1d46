"""What a store of locks is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from .record import Record


@dataclass
class Acquisition:
    """A lock that an attempt wants to run under; see :meth:`Backend.acquire`."""

    key: str
    record: Record
    expire: float
    accept_value: bool = False
    remember_for: float = 0
    take_over_from: Sequence[str] = ()
    keep_end: bool = False
    generation: int | None = None


@dataclass
class Reservation:
    """A lock that is wanted for a message; see :meth:`Backend.reserve`."""

    key: str
    record: Record
    expire: float
    accept_value: bool = False
    replaceable: bool = True
    replace_within: float | None = None
    remember_for: float = 0


@dataclass
class Heir:
    """Who gets a lock that is freed, for so many seconds: a message on its way."""

    record: Record
    expire: float


@dataclass
class Leaving:
    """An attempt that is out of its body, and has yet to store its outcome.

    Attributes:
        record: of the lock that it had.
        expire: seconds for which it counts as alive if nothing renews that; 0 if it
            is over, and may run again.
    """

    record: Record
    expire: float


@dataclass
class Release:
    """A lock to free, and what stays behind; see :meth:`Backend.release`."""

    key: str
    token: str
    value: bytes | None = None
    fresh_for: float = 0
    finished_for: float = 0
    heir: Heir | None = None
    leaving: Leaving | None = None


@dataclass
class Renewal:
    """A lock to hold on to for `expire` more seconds.

    For `remember_for` more seconds (if not 0) the store remembers that the attempt got
    the lock. With `leaving` the lock is free already, and the attempt renews only that
    it is alive; see :class:`Leaving`.
    """

    key: str
    record: Record
    fence: int | None
    expire: float
    remember_for: float = 0
    leaving: bool = False


@dataclass
class Acquired:
    """The lock is ours.

    Attributes:
        fence: grows with every acquisition of a key; None where the store has no clock.
        admitted: whether the attempt was given the lock before, in an earlier delivery
            of its message.
    """

    fence: int | None
    admitted: bool = False


@dataclass
class Held:
    """Another token holds the lock, or an earlier delivery of the message is leaving.

    Attributes:
        record: who holds it, and since when.
        remaining: seconds for which it stands if nothing renews it.
        admitted: as in :class:`Acquired`, of the attempt that asked.
    """

    record: Record
    remaining: float
    admitted: bool = False


@dataclass
class Stored:
    """Nobody has to run: a value of an earlier run is fresh."""

    value: bytes


@dataclass
class Finished:
    """Nobody has to run: this attempt has, and its message was delivered again."""


@dataclass
class Replaced:
    """Nobody has to run: a later message took the place of this one.

    Attributes:
        owner: id of the task that holds the lock by now; None if nobody does.
    """

    owner: str | None


@dataclass
class Reserved:
    """The lock waits for its message.

    Attributes:
        fence: see :class:`Acquired`.
        since: seconds since the first of those was published that it replaces in turn;
            0 if there was none.
        replaced: the one whose place it took.
    """

    fence: int | None
    since: float = 0
    replaced: Held | None = None


#: What :meth:`Backend.acquire` may answer.
StoreAnswer = Acquired | Held | Stored | Finished | Replaced


class Renewed(Enum):
    """What became of a lock that was to be renewed."""

    HELD = "held"
    #: It had vanished (restart, flush, stall); nobody had it, and it was taken again.
    RETAKEN = "retaken"
    #: Another token holds it.
    TAKEN = "taken"
    #: Its part of the store did not answer, while others did.
    UNKNOWN = "unknown"
