"""The questions that a backend is asked about a lock, and its answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from . import renewing
from .asked import Asked
from .record import Record

# Found here with all other questions and answers.
Renewal = renewing.Renewal
Renewed = renewing.Renewed
ReleasedBy = renewing.ReleasedBy
RenewAnswer = renewing.RenewAnswer
Tombstone = renewing.Tombstone


@dataclass
class Acquisition(Asked):
    """A lock that an attempt wants to run under.

    Attributes:
        record: with the token of this attempt, good for one acquisition.
        expire: seconds until the lock ends if nothing renews it; 0 to take it and to
            release it in the same step.
        accept_value: accept a fresh value of an earlier run in place of the lock,
            unless the attempt got the lock before.
        remember_for: seconds for which the store remembers that this attempt got the
            lock, whatever the nonce of its token. If an earlier delivery has released
            it as finished, the answer is :class:`Finished`; while an earlier delivery
            is leaving, that one is the holder. 0 to remember and to ask nothing.
        take_over_from: tokens that give the lock up to this one, under a greater fence:
            the token that reserved it for this message, and those of attempts that are
            dead or never heard that they got the lock. Only one attempt can take it
            over, as the token is another from then on. A token may take over from
            itself, to wait for longer; its message stays replaceable.
        keep_end: a lock that is taken over ends when it would have ended before.
        generation: fence under which the lock was reserved for this message, if a later
            message may have taken its place.
        limit: how many tokens may hold the lock at once. It counts for this attempt,
            whatever the limit of the others was. With more than one, `accept_value`
            and `generation` are not given.
    """

    key: str
    record: Record
    expire: float
    accept_value: bool = False
    remember_for: float = 0
    take_over_from: Sequence[str] = ()
    keep_end: bool = False
    generation: int | None = None
    limit: int = 1

    @property
    def bare(self) -> bool:
        return not (self.accept_value or self.remember_for or self.generation)


@dataclass
class Reservation(Asked):
    """A lock that is wanted for a message, which is about to be published.

    Attributes:
        record: with the token that travels in the message. A token that holds the lock
            already gets it again.
        expire: seconds until the lock ends if the message does not start.
        accept_value: accept a fresh value of an earlier run in place of the lock.
        replaceable: whether a later message may take the place of this one.
        replace_within: take the place of a message that has not started, if the first
            message in its chain of replacements was published at most so many seconds
            ago; None to replace none.
        remember_for: seconds for which the store remembers which messages were
            replaced, from the end of both locks on.
        limit: as in :class:`Acquisition`. With more than one, the message is neither
            replaceable nor replaces another.
    """

    key: str
    record: Record
    expire: float
    accept_value: bool = False
    replaceable: bool = True
    replace_within: float | None = None
    remember_for: float = 0
    limit: int = 1

    @property
    def in_chain(self) -> bool:
        """True if the message may replace another one, or be replaced."""
        return self.replaceable or self.replace_within is not None

    @property
    def bare(self) -> bool:
        return not (self.accept_value or self.in_chain)


@dataclass
class Heir:
    """The message that gets a lock when it is released, and for how many seconds."""

    record: Record
    expire: float


@dataclass
class Leaving:
    """An attempt that is out of its body, and has yet to store its outcome.

    Attributes:
        record: of the lock that it had.
        expire: seconds for which it counts as alive if nothing renews that; 0 if it
            has ended, and may run again.
    """

    record: Record
    expire: float


@dataclass
class Release(Asked):
    """A lock to release, and what the attempt leaves behind in the same step.

    Attributes:
        token: that took the lock; with any other the lock does not change.
        value: what :meth:`.Backend.acquire` hands out for `fresh_for` seconds, if
            `token` still held the lock.
        finished_for: seconds for which the store remembers that this attempt must not
            run again, whether it still held the lock or not; 0 for none.
        heir: gets the lock, if `token` still held it: the task's next try, or its
            successor.
        leaving: the attempt has yet to store its outcome, whether it still held the
            lock or not; until then no second delivery of its message gets the lock.
        limit: under which the lock was taken; see :class:`Acquisition`.
        tombstone: keeps `token` from taking the lock again, whether it still held the
            lock or not; given by whoever releases the lock of another.
    """

    key: str
    token: str
    value: bytes | None = None
    fresh_for: float = 0
    finished_for: float = 0
    heir: Heir | None = None
    leaving: Leaving | None = None
    limit: int = 1
    tombstone: Tombstone | None = None

    @property
    def bare(self) -> bool:
        left = self.finished_for or self.heir or self.leaving or self.tombstone
        return self.value is None and not left


@dataclass
class Acquired:
    """The attempt has the lock.

    Attributes:
        fence: grows with every acquisition of a key; None where the store has no clock.
        admitted: whether the attempt got the lock before, in an earlier delivery of its
            message.
    """

    fence: int | None
    admitted: bool = False


@dataclass
class Held:
    """Other tokens hold the lock, or an earlier delivery of the message is leaving.

    Attributes:
        record: of the holder; of several holders, the one whose lock ends first.
        remaining: seconds until the lock ends if nothing renews it.
        admitted: as in :class:`Acquired`, of the attempt that asked.
    """

    record: Record
    remaining: float
    admitted: bool = False


@dataclass
class Stored:
    """The call need not run: a value of an earlier run is fresh."""

    value: bytes


@dataclass
class Finished:
    """The attempt must not run: an earlier delivery of its message has finished."""


@dataclass
class Replaced:
    """The message must not run: a later message took its place.

    Attributes:
        owner: id of the task that holds the lock now; None if the lock is free.
    """

    owner: str | None


@dataclass
class Reserved:
    """The lock waits for its message.

    Attributes:
        fence: see :class:`Acquired`.
        since: seconds since the first message in its chain of replacements was
            published; 0 if it replaced none.
        replaced: the holder whose place it took.
    """

    fence: int | None
    since: float = 0
    replaced: Held | None = None


#: The answers of :meth:`.Backend.acquire`.
StoreAnswer = Acquired | Held | Stored | Finished | Replaced
