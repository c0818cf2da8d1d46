"""A store of locks at its plainest.

The model has no clock and no fences of a clock: it numbers the acquisitions of a key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from unique_task.backends.record import Record
from unique_task.backends.steps import (
    Acquired,
    Finished,
    Heir,
    Held,
    Leaving,
    ReleasedBy,
    Renewal,
    RenewAnswer,
    Renewed,
    Replaced,
    Reserved,
    StoreAnswer,
    Stored,
)

#: Seconds that an example surely takes less than; leases differ by more.
AGES = 500


@dataclass
class Model:
    """What every store should answer; nothing in it ends by itself."""

    locks: dict[str, Held] = field(default_factory=dict)
    values: dict[str, bytes] = field(default_factory=dict)
    admitted: set[tuple[str, str]] = field(default_factory=set)
    finished: set[tuple[str, str]] = field(default_factory=set)
    #: Number of the last message that took the place of another.
    generations: Counter[str] = field(default_factory=Counter)
    #: Greatest number of a message that heard of it.
    notified: Counter[str] = field(default_factory=Counter)
    #: Who gets a lock in place of a token to which it would be given back.
    heirs: dict[tuple[str, str], Held] = field(default_factory=dict)
    #: Attempts that are out of their bodies, and have not stored their outcome.
    leaving: dict[tuple[str, str], Held] = field(default_factory=dict)
    #: Tokens whose locks somebody else has released, and who that was.
    buried: dict[tuple[str, str], str] = field(default_factory=dict)
    acquisitions: Counter[str] = field(default_factory=Counter)

    def acquire(
        self,
        key: str,
        record: Record,
        expire: float,
        *,
        accept_value: bool,
        remember_for: float,
        take_over_from: Sequence[str],
        keep_end: bool,
        generation: int | None,
    ) -> StoreAnswer:
        attempt = key, message_of(record.token)
        admitted = bool(remember_for) and attempt in self.admitted
        if remember_for and (known := self._known(attempt, take_over_from)):
            return known
        held = self.locks.get(key)
        if generation and self.generations[key] > generation and not admitted:
            self.notified[key] = max(self.notified[key], generation)
            return Replaced(held.record.owner if held else None)
        if accept_value and key in self.values and not admitted:
            return Stored(self.values[key])
        if held is None or held.record.token in take_over_from:
            if remember_for:
                self.admitted.add(attempt)
            end = held.remaining if held and keep_end else expire
            number = self._put(key, record, end)
            if not expire:
                del self.locks[key]
            return Acquired(number, admitted)
        same = held.record.token == record.token
        return Acquired(held.record.fence) if same else replace(held, admitted=admitted)

    def _known(
        self, attempt: tuple[str, str], over: Sequence[str]
    ) -> Finished | Held | None:
        """Tell what became of an earlier delivery that is out of its body."""
        if attempt in self.finished:
            return Finished()
        leaving = self.leaving.get(attempt) if attempt in self.admitted else None
        if leaving is None or leaving.record.token in over:
            return None
        return replace(leaving, admitted=True)

    def reserve(
        self,
        key: str,
        record: Record,
        expire: float,
        *,
        accept_value: bool,
        replaceable: bool,
        replace_within: float | None,
    ) -> Reserved | Held | Stored:
        if accept_value and key in self.values:
            return Stored(self.values[key])
        held = self.locks.get(key)
        if held is not None:
            if held.record.token == record.token:
                return Reserved(held.record.fence)
            if replace_within is None or held.record.first is None:
                return held
        number = self._put(key, record, expire)
        if held is not None:
            self.generations[key] = number
        if replaceable:
            self.locks[key].record.first = held.record.first if held else number
        return Reserved(number, replaced=held)

    def restore(self, key: str, token: str, held: Held) -> bool:
        newer = self.locks.get(key)
        held = self.heirs.get((key, held.record.token), held)
        if newer is None or newer.record.token != token:
            self.heirs[key, token] = held
            return False
        self.locks[key] = held
        self.generations[key] = held.record.fence or 0
        # Those before the last one that was notified are not kept apart.
        if self.notified[key] >= (held.record.fence or 0):
            del self.locks[key]
        return True

    def renew(self, renewals: Sequence[Renewal]) -> list[RenewAnswer]:
        return [self._renew(renewal) for renewal in renewals]

    def _renew(self, renewal: Renewal) -> RenewAnswer:
        record = replace(renewal.record, fence=renewal.fence)
        if renewal.leaving:
            attempt = renewal.key, message_of(renewal.record.token)
            self.leaving[attempt] = Held(record, renewal.expire)
            return Renewed.HELD
        held, token = self.locks.get(renewal.key), renewal.record.token
        if held is None or held.record.token != token:
            if name := self.buried.get((renewal.key, token)):
                return ReleasedBy(name)
        if held is not None and held.record.token != token:
            return Renewed.TAKEN
        if renewal.remember_for:
            self.admitted.add((renewal.key, message_of(renewal.record.token)))
        self.locks[renewal.key] = Held(record, renewal.expire)
        return Renewed.RETAKEN if held is None else Renewed.HELD

    def release(
        self,
        key: str,
        token: str,
        *,
        value: bytes | None,
        fresh_for: float,
        finished_for: float,
        heir: Heir | None,
        leaving: Leaving | None = None,
    ) -> bool:
        attempt = key, message_of(token)
        if finished_for:
            self.finished.add(attempt)
        if leaving is not None and leaving.expire:
            self.leaving[attempt] = Held(leaving.record, leaving.expire)
        elif leaving is not None or finished_for:
            self.leaving.pop(attempt, None)
        held = self.locks.get(key)
        if held is None or held.record.token != token:
            return False
        del self.locks[key]
        if value is not None:
            self.values[key] = value
        if heir is not None:
            record = replace(heir.record, fence=held.record.fence)
            self.locks[key] = Held(record, heir.expire)
        return True

    def bury(self, key: str, token: str, by: str) -> bool:
        """Somebody else releases the lock of a token."""
        self.buried[key, token] = by
        held = self.locks.get(key)
        if held is None or held.record.token != token:
            return False
        self.leaving[key, message_of(token)] = self.locks.pop(key)
        return True

    def _put(self, key: str, record: Record, expire: float) -> int:
        self.acquisitions[key] += 1
        number = self.acquisitions[key]
        self.locks[key] = Held(replace(record, fence=number), expire)
        return number


def message_of(token: str) -> str:
    """What only the deliveries of one message have in common."""
    return token.rpartition("/")[0]


@dataclass(eq=False)
class Attempt:
    """A client's attempt to run a task, and what the client knows of it."""

    client: int
    key: str
    record: Record
    lease: float
    accept_value: bool
    remember_for: float
    #: Attempts from which it takes the lock over.
    over: list[Attempt]
    #: The token of its message, and the number under which that had the lock reserved.
    message: str | None = None
    generation: int | None = None
    keep_end: bool = False
    alive: bool = True
    #: Of its acquisition; None until it hears that it got the lock.
    number: int | None = None
    #: Whether it works under the lock.
    works: bool = False

    def renewal(self, expire: float) -> Renewal:
        return Renewal(self.key, self.record, self.number, expire, self.remember_for)

    def __repr__(self) -> str:
        return f"<{self.record.token} of client {self.client}>"
