"""A store of locks at its plainest, and real ones that are held against it.

The model has no clock and no fences of a clock: it numbers the acquisitions of a key.
A store agrees if its fences can be put in place of the numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.backends.stores import open_store
from unique_task.backends.record import Record, Token
from unique_task.backends.steps import (
    Acquired,
    Finished,
    Held,
    Renewal,
    Renewed,
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
    acquisitions: Counter[str] = field(default_factory=Counter)

    def acquire(
        self,
        key: str,
        record: Record,
        expire: float,
        *,
        stored: bool,
        once: float,
        over: Sequence[str],
    ) -> StoreAnswer:
        attempt = key, message_of(record.token)
        if once and attempt in self.finished:
            return Finished()
        admitted = bool(once) and attempt in self.admitted
        if stored and key in self.values and not admitted:
            return Stored(self.values[key])
        held = self.locks.get(key)
        if held is None or held.record.token in over:
            if once:
                self.admitted.add(attempt)
            self.acquisitions[key] += 1
            number = self.acquisitions[key]
            self.locks[key] = Held(replace(record, fence=number), expire)
            return Acquired(number)
        same = held.record.token == record.token
        return Acquired(held.record.fence) if same else replace(held, admitted=admitted)

    def renew(self, renewals: Sequence[Renewal]) -> list[Renewed]:
        return [self._renew(renewal) for renewal in renewals]

    def _renew(self, renewal: Renewal) -> Renewed:
        held = self.locks.get(renewal.key)
        if held is not None and held.record.token != renewal.record.token:
            return Renewed.TAKEN
        record = replace(renewal.record, fence=renewal.fence)
        self.locks[renewal.key] = Held(record, renewal.expire)
        return Renewed.RETAKEN if held is None else Renewed.HELD

    def release(
        self,
        key: str,
        token: str,
        *,
        value: bytes | None,
        fresh: float,
        finished: float,
    ) -> bool:
        if finished:
            self.finished.add((key, message_of(token)))
        held = self.locks.get(key)
        if held is None or held.record.token != token:
            return False
        del self.locks[key]
        if value is not None:
            self.values[key] = value
        return True


def message_of(token: str) -> str:
    """What only the deliveries of one message have in common."""
    return str(replace(Token.parse(token), nonce=""))


@dataclass(eq=False)
class Attempt:
    """A client's attempt to run a task, and what the client knows of it."""

    client: int
    key: str
    record: Record
    lease: float
    stored: bool
    once: float
    #: Attempts from which it takes the lock over.
    over: list[Attempt]
    alive: bool = True
    #: Of its acquisition; None until it hears that it got the lock.
    number: int | None = None
    #: Whether it works under the lock.
    works: bool = False

    def renewal(self, expire: float) -> Renewal:
        return Renewal(self.key, self.record, self.number, expire)

    def __repr__(self) -> str:
        return f"<{self.record.token} of client {self.client}>"


class Store:
    """A real store, as several clients see it: each has a backend of its own."""

    def __init__(self, url: str, clients: int, fenced: bool) -> None:
        first = open_store(url)
        self._backends = [
            open_store(url) if first.shared else first for _ in range(clients)
        ]
        self._fenced = fenced
        #: For each key: number of an acquisition -> the store's fence.
        self._fences: dict[str, dict[int, int]] = {}

    def acquire(
        self, client: int, expected: StoreAnswer, *args: Any, **how: Any
    ) -> None:
        key = args[0]
        answer = self._backends[client].acquire(*args, **how)
        assert type(answer) is type(expected)
        if isinstance(answer, Acquired) and isinstance(expected, Acquired):
            self._assert_fence(key, expected.fence, answer.fence)
        elif isinstance(answer, Held) and isinstance(expected, Held):
            self._assert_held(key, expected, answer)
        else:
            assert answer == expected

    def renew(
        self, client: int, expected: list[Renewed], renewals: Sequence[Renewal]
    ) -> None:
        real = [
            replace(renewal, fence=self._fence(renewal.key, renewal.fence))
            for renewal in renewals
        ]
        assert self._backends[client].renew(real) == expected

    def release(self, client: int, expected: bool, *args: Any, **how: Any) -> None:
        assert self._backends[client].release(*args, **how) is expected

    def is_free(self, key: str) -> bool:
        return self._backends[0].get(key) is None

    def assert_holder(self, key: str, expected: Held | None) -> None:
        found = self._backends[-1].get(key)
        if found is None or expected is None:
            assert found is expected
        else:
            self._assert_held(key, expected, found)

    def _assert_held(self, key: str, expected: Held, found: Held) -> None:
        record = found.record
        assert replace(record, fence=None) == replace(expected.record, fence=None)
        assert self._fence(key, expected.record.fence) == record.fence
        assert found.admitted is expected.admitted
        assert expected.remaining - AGES < found.remaining <= expected.remaining

    def _assert_fence(self, key: str, number: int | None, fence: int | None) -> None:
        if not self._fenced:
            assert fence is None
            return
        assert number is not None and fence is not None
        known = self._fences.setdefault(key, {})
        if number not in known:
            assert all(fence > earlier for earlier in known.values())
        assert known.setdefault(number, fence) == fence

    def _fence(self, key: str, number: int | None) -> int | None:
        if number is None or not self._fenced:
            return None
        return self._fences[key][number]

    def __repr__(self) -> str:
        return repr(self._backends[0])
