"""Real stores of locks, that are held against the model.

A store agrees with it if its fences can be put in place of the model's numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tests.backends.model import AGES
from tests.backends.stores import REMEMBERED, open_store
from unique_task.backends.record import Record
from unique_task.backends.steps import (
    Acquired,
    Held,
    Leaving,
    Release,
    Renewal,
    RenewAnswer,
    Reserved,
    StoreAnswer,
    Stored,
    Tombstone,
)


class Store:
    """A real store, as several clients see it: each has a backend of its own."""

    def __init__(self, url: str, clients: int) -> None:
        first = open_store(url)
        self._backends = [
            open_store(url) if first.shared else first for _ in range(clients)
        ]
        #: For each key: number of an acquisition -> the store's fence.
        self._fences: dict[str, dict[int, int]] = {}

    def acquire(
        self, client: int, expected: StoreAnswer, *args: Any, **how: Any
    ) -> None:
        key, generation = args[0], how.pop("generation")
        how["generation"] = self._fence(key, generation)
        answer = self._backends[client].acquire(*args, **how)
        assert type(answer) is type(expected)
        if isinstance(answer, Acquired) and isinstance(expected, Acquired):
            self._assert_fence(key, expected.fence, answer.fence)
            assert answer.admitted is expected.admitted
        elif isinstance(answer, Held) and isinstance(expected, Held):
            self._assert_held(key, expected, answer)
        else:
            assert answer == expected

    def reserve(
        self, client: int, expected: Reserved | Held | Stored, *args: Any, **how: Any
    ) -> None:
        key = args[0]
        answer = self._backends[client].reserve(*args, **how)
        assert type(answer) is type(expected)
        if isinstance(answer, Reserved) and isinstance(expected, Reserved):
            self._assert_fence(key, expected.fence, answer.fence)
            assert type(answer.replaced) is type(expected.replaced)
            if answer.replaced and expected.replaced:
                self._assert_held(key, expected.replaced, answer.replaced)
        elif isinstance(answer, Held) and isinstance(expected, Held):
            self._assert_held(key, expected, answer)
        else:
            assert answer == expected

    def restore(
        self, client: int, expected: bool, key: str, token: str, held: Held
    ) -> None:
        real = replace(held, record=self._real(key, held.record))
        assert self._backends[client].restore(key, token, real) is expected

    def renew(
        self, client: int, expected: list[RenewAnswer], renewals: Sequence[Renewal]
    ) -> None:
        real = [
            replace(
                renewal,
                fence=self._fence(renewal.key, renewal.fence),
                record=self._real(renewal.key, renewal.record),
            )
            for renewal in renewals
        ]
        assert self._backends[client].renew(real) == expected

    def release(self, client: int, expected: bool, *args: Any, **how: Any) -> None:
        leaving: Leaving | None = how.get("leaving")
        if leaving is not None:
            record = self._real(args[0], leaving.record)
            how["leaving"] = replace(leaving, record=record)
        assert self._backends[client].release(*args, **how) is expected

    def bury(self, expected: bool, key: str, token: str, by: str, limit: int) -> None:
        tombstone = Tombstone(by, REMEMBERED)
        left = Release(key, token, limit=limit, tombstone=tombstone)
        assert self._backends[0].release_as(left) is expected

    def is_free(self, key: str) -> bool:
        return self._backends[0].get(key) is None

    def assert_holder(self, key: str, expected: Held | None) -> None:
        found = self._backends[-1].get(key)
        if found is None or expected is None:
            assert found is expected
        else:
            self._assert_held(key, expected, found)

    def assert_holders(self, key: str, expected: Sequence[Held]) -> None:
        found = self._backends[-1].holders(key)
        assert len(found) == len(expected)
        for one, other in zip(expected, found):
            self._assert_held(key, one, other)

    def _assert_held(self, key: str, expected: Held, found: Held) -> None:
        assert found.record == self._real(key, expected.record)
        assert found.admitted is expected.admitted
        assert expected.remaining - AGES < found.remaining <= expected.remaining

    def _assert_fence(self, key: str, number: int | None, fence: int | None) -> None:
        assert number is not None and fence is not None
        known = self._fences.setdefault(key, {})
        if number not in known:
            assert all(fence > earlier for earlier in known.values())
        assert known.setdefault(number, fence) == fence

    def _real(self, key: str, record: Record) -> Record:
        fence, first = record.fence, record.first
        fence, first = self._fence(key, fence), self._fence(key, first)
        return replace(record, fence=fence, first=first)

    def _fence(self, key: str, number: int | None) -> int | None:
        return None if number is None else self._fences[key][number]

    def __repr__(self) -> str:
        return repr(self._backends[0])
