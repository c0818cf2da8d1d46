"""Any order of events, on all stores at once, against a plain model of a store.

The contract's other tests say what is right in cases that somebody thought of. Here
clients take, renew, free, lose answers and die in any order, and after every step all
stores have to be where the model is.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import Enum
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.backends.model import AGES, Attempt, Model, Store, message_of
from tests.backends.stores import REMEMBERED, UNFENCED, record_of, redelivered
from tests.waiting import wait_until
from unique_task.backends.steps import Acquired, Renewal, Renewed

CLIENTS = 3

#: The shortest time that any store can count.
INSTANT = 0.001

# Derandomized, as all searches here: a red run is the fault of the change under test.
search = settings(
    max_examples=100,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    database=None,
)

#: Told apart by how much remains of them.
LEASES = [AGES * 2, AGES * 3, AGES * 4]

#: Owner, retries, nesting and message of an attempt.
Name = tuple[str, int, int, str]

clients = st.integers(0, CLIENTS - 1)
keys = st.sampled_from([0, 1])
leases = st.sampled_from(LEASES)
#: Whether an attempt is remembered.
onces = st.sampled_from([0, REMEMBERED])
#: A few, so that the same attempt comes up often.
names: st.SearchStrategy[Name] = st.sampled_from(
    [
        ("task", 0, 0, "message"),
        ("task", 1, 0, "message"),
        ("task", 0, 1, "message"),
        ("task", 0, 0, "another"),
        ("another", 0, 0, "message"),
    ]
)


class Fate(Enum):
    """What becomes of a request to a store."""

    ANSWERED = "answered"
    #: Done, and the client does not know.
    REPLY_LOST = "reply lost"
    #: Not done, and the client does not know.
    REQUEST_LOST = "request lost"


fates = st.sampled_from([Fate.ANSWERED, *Fate])


def any_of(*groups: Callable[[Clients], list[Attempt]]) -> st.SearchStrategy[Attempt]:
    """One of the attempts in any of the groups, each of them as likely."""
    return st.runner().flatmap(
        lambda machine: st.one_of(
            [st.sampled_from(group(machine)) for group in groups if group(machine)]
        )
    )


def if_any(group: Callable[[Clients], list[Attempt]]) -> Callable[[Any], Any]:
    return precondition(lambda machine: bool(group(machine)))


class Clients(RuleBasedStateMachine):
    """Several clients, two locks, and whatever may happen to them."""

    stores: list[Store]

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        example = os.urandom(6).hex()
        self.keys = [f"{example}-one", f"{example}-two"]
        self.all: list[Attempt] = []
        self.finished: set[tuple[str, str]] = set()

    def alive(self) -> list[Attempt]:
        return [one for one in self.all if one.alive]

    def working(self) -> list[Attempt]:
        return [one for one in self.all if one.works]

    def idle(self) -> list[Attempt]:
        return [one for one in self.all if not one.works]

    def once_held(self) -> list[Attempt]:
        return [one for one in self.alive() if one.number is not None]

    def unanswered(self) -> list[Attempt]:
        return [one for one in self.alive() if one.number is None]

    def stuck(self) -> list[Attempt]:
        """Those that have the lock and do not know it, or are dead."""
        held = [lock.record.token for lock in self.model.locks.values()]
        return [one for one in self.idle() if one.record.token in held]

    @rule(
        client=clients,
        key=keys,
        name=names,
        lease=leases,
        stored=st.booleans(),
        once=onces,
        fate=fates,
    )
    def take(
        self,
        client: int,
        key: int,
        name: Name,
        lease: float,
        stored: bool,
        once: float,
        fate: Fate,
    ) -> None:
        """A message arrives, and asks for its lock."""
        record = record_of(*name)
        attempt = Attempt(client, self.keys[key], record, lease, stored, once, [])
        self._begin(attempt, fate)

    @if_any(idle)
    @rule(
        client=clients,
        earlier=any_of(stuck, idle),
        another=any_of(idle),
        lease=leases,
        stored=st.booleans(),
        fate=fates,
    )
    def take_again(
        self,
        client: int,
        earlier: Attempt,
        another: Attempt,
        lease: float,
        stored: bool,
        fate: Fate,
    ) -> None:
        """A message arrives again whose client died, or did not hear the answer."""
        record, over = redelivered(earlier.record), [another, earlier]
        attempt = Attempt(client, earlier.key, record, lease, stored, REMEMBERED, over)
        self._begin(attempt, fate)

    @if_any(unanswered)
    @rule(attempt=any_of(unanswered), fate=fates)
    def repeat(self, attempt: Attempt, fate: Fate) -> None:
        """A client that heard no answer, or that it has to wait, asks once more."""
        self._ask(attempt, fate)

    @if_any(working)
    @rule(client=clients, lease=leases)
    def renew_all(self, client: int, lease: float) -> None:
        """Everything that a client holds is its own, and stays so."""
        works = [one for one in self.working() if one.client == client]
        outcomes = self._renew(client, [one.renewal(lease) for one in works])
        assert outcomes == [Renewed.HELD] * len(works)

    @if_any(once_held)
    @rule(attempt=any_of(once_held), lease=leases)
    def renew_late(self, attempt: Attempt, lease: float) -> None:
        """Also of one who does not hold the lock any more; it finds that out here."""
        [outcome] = self._renew(attempt.client, [attempt.renewal(lease)])
        attempt.works = outcome is not Renewed.TAKEN

    @if_any(alive)
    @rule(
        attempt=any_of(working, alive),
        value=st.none() | st.binary(max_size=3),
        finished=st.booleans(),
        fate=fates,
    )
    def free(
        self, attempt: Attempt, value: bytes | None, finished: bool, fate: Fate
    ) -> None:
        """Also of one who does not hold the lock, or never did."""
        attempt.works = False
        if fate is Fate.REQUEST_LOST:
            return
        key, token = attempt.key, attempt.record.token
        if finished:
            self.finished.add((key, message_of(token)))
        how: Any = {"value": value, "fresh": AGES, "finished": REMEMBERED * finished}
        expected = self.model.release(key, token, **how)
        for store in self.stores:
            store.release(attempt.client, expected, key, token, **how)

    @precondition(lambda self: bool(self.model.locks))
    @rule(data=st.data())
    def expire(self, data: st.DataObject) -> None:
        """A lease ends, of whoever has it: one after the last sign of life."""
        key = data.draw(st.sampled_from(sorted(self.model.locks)))
        record = self.model.locks[key].record
        [holder] = [one for one in self.all if one.record.token == record.token]
        last = Renewal(key, holder.record, record.fence, INSTANT)
        assert self._renew(holder.client, [last]) == [Renewed.HELD]
        wait_until(lambda: all(store.is_free(key) for store in self.stores))
        del self.model.locks[key]
        holder.works = False

    @if_any(working)
    @rule(attempt=any_of(working))
    def crash(self, attempt: Attempt) -> None:
        """All that its client holds stays in the stores."""
        for one in self.all:
            if one.client == attempt.client:
                one.alive = one.works = False

    @invariant()
    def one_works_at_a_time(self) -> None:
        works = [attempt.key for attempt in self.all if attempt.works]
        assert len(works) == len(set(works))

    @invariant()
    def stores_are_where_the_model_is(self) -> None:
        for key in self.keys:
            for store in self.stores:
                store.assert_holder(key, self.model.locks.get(key))

    def _begin(self, attempt: Attempt, fate: Fate) -> None:
        self.all.append(attempt)
        self._ask(attempt, fate)

    def _ask(self, attempt: Attempt, fate: Fate) -> None:
        if fate is Fate.REQUEST_LOST:
            return
        # Nobody takes over from one of whom it is known that it works.
        over = [other.record.token for other in attempt.over if not other.works]
        args = attempt.key, attempt.record, attempt.lease
        how: Any = {"stored": attempt.stored, "once": attempt.once, "over": over}
        expected = self.model.acquire(*args, **how)
        for store in self.stores:
            store.acquire(attempt.client, expected, *args, **how)
        if isinstance(expected, Acquired):
            name = attempt.key, message_of(attempt.record.token)
            assert not (attempt.once and name in self.finished)
            if fate is Fate.ANSWERED:
                attempt.number, attempt.works = expected.fence, True

    def _renew(self, client: int, renewals: list[Renewal]) -> list[Renewed]:
        expected = self.model.renew(renewals)
        for store in self.stores:
            store.renew(client, expected, renewals)
        return expected


# Seconds; but when it fails, it takes minutes to find the shortest way there.
@pytest.mark.timeout(600)
def test_all_stores_do_what_the_model_does(urls):
    class ClientsOfAll(Clients):
        stores = [
            Store(url, CLIENTS, fenced=name not in UNFENCED)
            for name, url in urls.items()
        ]

    run_state_machine_as_test(ClientsOfAll, settings=search)
