"""What an operator sees of locks: plain frozen values; times are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..backends.record import HELD, Token, hold_text
from ..backends.steps import Held

#: The verdicts on a holder: its attempt or message goes on; it has surely ended; nobody
#: who could be asked knows.
ALIVE, DEAD, UNKNOWN = "alive", "dead", "unknown"


@dataclass(frozen=True)
class Holder:
    """One holder of a lock.

    Attributes:
        token: of the holder: what frees its lock, and no other's.
        owner: id of its task.
        task: name of its task.
        state: ``pending``: its message is on its way; ``running``; ``called``: it runs
            in place; ``held``: an operator has it, no task.
        worker: node that runs the task; empty for a message.
        since: when it got the lock, in seconds since 1970 by the store's clock; None
            where the store has no clock.
        remaining: seconds until its lock ends if nothing renews it.
        fence: see :class:`.Acquired`.
        retries: of the task so far.
        process: that runs the task, see :mod:`unique_task.leases.process`.
        final: whether the attempt ends with its process, as its message does not come
            again.
        replaceable: whether a later message may take its place.
        by: who holds it, if that is an operator.
        hold_reason: why that one does.
        verdict: ``alive``, ``dead`` or ``unknown``.
        reason: of the verdict, for people.
    """

    token: str
    owner: str
    task: str
    state: str
    worker: str
    since: float | None
    remaining: float
    fence: int | None
    retries: int
    process: str
    final: bool
    replaceable: bool
    by: str = ""
    hold_reason: str = ""
    verdict: str = UNKNOWN
    reason: str = "nobody was asked"

    @classmethod
    def of(cls, held: Held) -> Holder:
        """Return the holder that a store knows; nobody has judged it yet."""
        record = held.record
        return cls(
            token=record.token,
            owner=record.owner,
            task=record.task,
            state=record.state,
            worker="" if record.state == "pending" else record.worker,
            since=record.since or None,
            remaining=held.remaining,
            fence=record.fence,
            retries=Token.parse(record.token).retries,
            process=record.process,
            final=record.final,
            replaceable=record.state == "pending" and record.first is not None,
            by=record.by,
            hold_reason=record.reason,
        )

    @property
    def hold(self) -> str | None:
        """What a hold is called: ``held by ann: migration``; None if it is none."""
        return hold_text(self.by, self.hold_reason) if self.state == HELD else None

    def judged(self, verdict: str, reason: str) -> Holder:
        """Return the same holder with a verdict."""
        return replace(self, verdict=verdict, reason=reason)


@dataclass(frozen=True)
class Lock:
    """A lock that is held.

    Attributes:
        store: name of its store, for people.
        fingerprint: of the store, see :attr:`.Backend.fingerprint`.
        name: under which the store keeps it; None if the store has only a digest of it.
        key: that it belongs to; None as for `name`.
        kind: ``key``, ``pending`` (a message, beside the lock of a run), ``successor``.
        holders: those that end first, the first of them at the front.
        remaining: seconds until the lock is free at the latest, if nothing renews it;
            None if the store does not tell.
        unreadable: a newer version of this library wrote it.
    """

    store: str
    fingerprint: str
    name: str | None
    key: str | None
    kind: str
    holders: tuple[Holder, ...]
    remaining: float | None
    unreadable: bool = False

    def judged(self, verdicts: Mapping[str, Holder]) -> Lock:
        """Return the same lock with judged holders, by their tokens."""
        holders = tuple(verdicts[holder.token] for holder in self.holders)
        return replace(self, holders=holders)


@dataclass(frozen=True)
class Waiting:
    """The calls that wait for a key in one worker.

    Attributes:
        worker: that keeps their messages.
        task: name of the task of the oldest.
        count: how many wait there.
        since: when the oldest first had to wait, in seconds since 1970.
    """

    worker: str
    task: str
    count: int
    since: float


#: What is missing where no worker has answered.
WORKERS = "workers"


@dataclass(frozen=True)
class Missing:
    """Something that could not be seen.

    Attributes:
        what: name of a store, or :data:`WORKERS`.
        reason: for people.
    """

    what: str
    reason: str

    def __str__(self) -> str:
        # The errors of some stores begin with their names.
        named = self.reason.startswith(self.what)
        return self.reason if named else f"{self.what}: {self.reason}"


def as_plain(value: Any) -> dict[str, Any]:
    """Return a value of this room as a dict of plain data, as for JSON."""
    return {name: _plain(field) for name, field in vars(value).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return as_plain(value) if hasattr(value, "__dataclass_fields__") else value
