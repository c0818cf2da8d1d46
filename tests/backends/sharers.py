"""Clients that share locks under several limits, in any order, and a model of that."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.backends.model import AGES
from tests.backends.real import Store
from tests.backends.search import any_of, clients, if_any, keys
from tests.backends.stores import record_of
from unique_task.backends.record import Record
from unique_task.backends.steps import (
    Acquired,
    Heir,
    Held,
    ReleasedBy,
    Renewal,
    RenewAnswer,
    Renewed,
)

limits = st.sampled_from([1, 2, 2, 7])

#: No two alike, so that there is one holder that ends first.
leases = st.integers(2, 10**6).map(lambda number: float(number * AGES))

#: Key and record, with the number under which it got the lock; limit.
Sharer = tuple[str, Record, int]


class Sharers(RuleBasedStateMachine):
    """Several clients, two locks, and limits that differ from call to call."""

    stores: list[Store]

    def __init__(self) -> None:
        super().__init__()
        example = os.urandom(6).hex()
        self.keys = [f"{example}-one", f"{example}-two"]
        self.held: dict[str, dict[str, Held]] = defaultdict(dict)
        self.acquisitions: Counter[str] = Counter()
        self.all: list[Sharer] = []
        #: Keys and tokens whose locks somebody else has released.
        self.buried: set[tuple[str, str]] = set()

    def once_held(self) -> list[Sharer]:
        return self.all

    def holding(self) -> list[Sharer]:
        return [one for one in self.all if one[1].token in self.held[one[0]]]

    def renewable(self) -> list[Sharer]:
        """Not one of limit 1 whose lock another has had: few stores remember that."""
        last = self.acquisitions
        return [
            (key, record, limit)
            for key, record, limit in self.all
            if limit > 1 or self.held[key] or record.fence == last[key]
        ]

    @rule(client=clients, key=keys, limit=limits, lease=leases)
    def take(self, client: int, key: int, limit: int, lease: float) -> None:
        self._take(client, self.keys[key], record_of("task"), lease, limit, [])

    @if_any(once_held)
    @rule(client=clients, one=any_of(once_held), limit=limits, lease=leases)
    def repeat(self, client: int, one: Sharer, limit: int, lease: float) -> None:
        self._take(client, one[0], one[1], lease, limit, [])

    @if_any(holding)
    @rule(
        client=clients,
        over=st.lists(any_of(holding, once_held), min_size=1, max_size=2),
        limit=limits,
        lease=st.one_of(leases, st.just(0.0)),
        keep_end=st.booleans(),
    )
    def take_over(
        self,
        client: int,
        over: list[Sharer],
        limit: int,
        lease: float,
        keep_end: bool,
    ) -> None:
        key, tokens = over[0][0], [one[1].token for one in over]
        self._take(client, key, record_of("heir"), lease, limit, tokens, keep_end)

    @if_any(renewable)
    @rule(client=clients, one=any_of(holding, renewable), lease=leases)
    def renew(self, client: int, one: Sharer, lease: float) -> None:
        key, record, limit = one
        places = self.held[key]
        if record.token in places and places[record.token].record.fence != record.fence:
            return  # it has the lock again since, and knows its new number
        expected: RenewAnswer = Renewed.RETAKEN
        if record.token in places:
            expected = Renewed.HELD
        elif (key, record.token) in self.buried:
            expected = ReleasedBy("ann")
        elif len(places) >= limit:
            expected = Renewed.TAKEN
        if isinstance(expected, Renewed) and expected is not Renewed.TAKEN:
            places[record.token] = Held(record, lease)
        renewal = Renewal(key, record, record.fence, lease, limit=limit)
        for store in self.stores:
            store.renew(client, [expected], [renewal])

    @if_any(once_held)
    @rule(
        client=clients,
        one=any_of(holding, once_held),
        lease=st.none() | leases,
    )
    def free(self, client: int, one: Sharer, lease: float | None) -> None:
        key, record, limit = one
        heir = None if lease is None else Heir(record_of("heir"), lease)
        held = self.held[key].pop(record.token, None)
        if held is not None and heir is not None:
            heir_of = replace(heir.record, fence=held.record.fence)
            self.held[key][heir_of.token] = Held(heir_of, heir.expire)
            self.all.append((key, heir_of, limit))
        for store in self.stores:
            how: Any = {"heir": heir, "limit": limit}
            store.release(client, held is not None, key, record.token, **how)

    @if_any(once_held)
    @rule(one=any_of(holding, once_held))
    def bury(self, one: Sharer) -> None:
        """Somebody else releases the lock of one, which may not have it."""
        key, record, limit = one
        self.buried.add((key, record.token))
        held = self.held[key].pop(record.token, None) is not None
        for store in self.stores:
            store.bury(held, key, record.token, "ann", limit)

    @invariant()
    def stores_have_the_holders_of_the_model(self) -> None:
        for key in self.keys:
            for store in self.stores:
                store.assert_holders(key, self._holders(key))

    def _holders(self, key: str) -> list[Held]:
        return sorted(self.held[key].values(), key=lambda held: held.remaining)

    def _take(
        self,
        client: int,
        key: str,
        record: Record,
        lease: float,
        limit: int,
        over: list[str],
        keep_end: bool = False,
    ) -> None:
        record = replace(record, fence=None)
        expected = self._expected(key, record, lease, limit, over, keep_end)
        how: Any = {"take_over_from": over, "keep_end": keep_end, "limit": limit}
        for store in self.stores:
            arguments = key, record, lease
            store.acquire(client, expected, *arguments, **dict(how), generation=None)
        if isinstance(expected, Acquired):
            self.all.append((key, replace(record, fence=expected.fence), limit))

    def _expected(
        self,
        key: str,
        record: Record,
        lease: float,
        limit: int,
        over: list[str],
        keep_end: bool,
    ) -> Acquired | Held:
        places = self.held[key]
        if record.token in places:
            return Acquired(places[record.token].record.fence)
        given = [places[token] for token in {*over} if token in places]
        if not given and len(places) >= limit:
            return self._holders(key)[0]
        for one in given:
            del places[one.record.token]
        self.acquisitions[key] += 1
        number = self.acquisitions[key]
        if lease:
            end = max(one.remaining for one in given) if given and keep_end else lease
            places[record.token] = Held(replace(record, fence=number), end)
        return Acquired(number)
