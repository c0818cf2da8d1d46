"""Clients that run tasks under locks, lose answers and die, in any order."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.backends.model import AGES, Attempt, Model, message_of
from tests.backends.real import Store
from tests.backends.search import (
    INSTANT,
    Fate,
    Name,
    any_of,
    clients,
    fates,
    if_any,
    keys,
    leases,
    names,
    onces,
)
from tests.backends.stores import REMEMBERED, record_of, redelivered
from tests.waiting import wait_until
from unique_task.backends.steps import (
    Acquired,
    Heir,
    Leaving,
    Renewal,
    RenewAnswer,
    Renewed,
)


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

    def renewable(self) -> list[Attempt]:
        """Not those whose lock another one has had: few stores remember that."""
        return [
            one
            for one in self.once_held()
            if one.key in self.model.locks
            or one.number == self.model.acquisitions[one.key]
        ]

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
        accept_value=st.booleans(),
        remember_for=onces,
        fate=fates,
    )
    def take(
        self,
        client: int,
        key: int,
        name: Name,
        lease: float,
        accept_value: bool,
        remember_for: float,
        fate: Fate,
    ) -> None:
        """A message arrives, and asks for its lock."""
        record = record_of(*name)
        attempt = Attempt(
            client, self.keys[key], record, lease, accept_value, remember_for, []
        )
        self._begin(attempt, fate)

    @if_any(idle)
    @rule(
        client=clients,
        earlier=any_of(stuck, idle),
        another=any_of(idle),
        lease=leases,
        accept_value=st.booleans(),
        fate=fates,
    )
    def take_again(
        self,
        client: int,
        earlier: Attempt,
        another: Attempt,
        lease: float,
        accept_value: bool,
        fate: Fate,
    ) -> None:
        """A message arrives again whose client died, or did not hear the answer."""
        record, over = redelivered(earlier.record), [another, earlier]
        attempt = Attempt(
            client, earlier.key, record, lease, accept_value, REMEMBERED, over
        )
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

    @if_any(renewable)
    @rule(attempt=any_of(renewable), lease=leases)
    def renew_late(self, attempt: Attempt, lease: float) -> None:
        """Also of one who does not hold the lock any more; it finds that out here."""
        [outcome] = self._renew(attempt.client, [attempt.renewal(lease)])
        attempt.works = outcome in (Renewed.HELD, Renewed.RETAKEN)

    @if_any(alive)
    @rule(
        attempt=any_of(working, alive),
        value=st.none() | st.binary(max_size=3),
        finished=st.booleans(),
        leaves=st.none() | st.just(0) | leases,
        fate=fates,
    )
    def free(
        self,
        attempt: Attempt,
        value: bytes | None,
        finished: bool,
        leaves: float | None,
        fate: Fate,
    ) -> None:
        """Also of one who does not hold the lock, or never did."""
        leaving = None
        if leaves is not None and attempt.number is not None and not finished:
            record = replace(attempt.record, fence=attempt.number)
            leaving = Leaving(record, leaves)
        self._free(attempt, value, finished, None, fate, leaving)

    def _free(
        self,
        attempt: Attempt,
        value: bytes | None,
        finished: bool,
        heir: Heir | None,
        fate: Fate,
        leaving: Leaving | None = None,
    ) -> None:
        attempt.works = False
        if fate is Fate.REQUEST_LOST:
            return
        key, token = attempt.key, attempt.record.token
        if finished:
            self.finished.add((key, message_of(token)))
        how: Any = {"value": value, "fresh_for": AGES, "heir": heir, "leaving": leaving}
        how |= {"finished_for": REMEMBERED * finished}
        expected = self.model.release(key, token, **how)
        for store in self.stores:
            store.release(attempt.client, expected, key, token, **dict(how))

    @if_any(once_held)
    @rule(attempt=any_of(working, once_held))
    def bury(self, attempt: Attempt) -> None:
        """Somebody else releases the lock of an attempt, which may not have it."""
        attempt.works = False
        key, token = attempt.key, attempt.record.token
        expected = self.model.bury(key, token, "ann")
        for store in self.stores:
            store.bury(expected, key, token, "ann", limit=1)

    @precondition(lambda self: bool(self.model.locks))
    @rule(data=st.data())
    def expire(self, data: st.DataObject) -> None:
        """The lease of any holder ends: one after the last sign of life."""
        key = data.draw(st.sampled_from(sorted(self.model.locks)))
        record = self.model.locks[key].record
        last = Renewal(key, record, record.fence, INSTANT)
        assert self._renew(0, [last]) == [Renewed.HELD]
        wait_until(lambda: all(store.is_free(key) for store in self.stores))
        del self.model.locks[key]
        for one in self.all:
            one.works &= one.record.token != record.token

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
        # No client takes over from an attempt that is known to work.
        over = [other.record.token for other in attempt.over if not other.works]
        args = attempt.key, attempt.record, attempt.lease
        over += [attempt.message] if attempt.message else []
        how: Any = {
            "accept_value": attempt.accept_value,
            "remember_for": attempt.remember_for,
            "take_over_from": over,
            "keep_end": attempt.keep_end,
            "generation": attempt.generation,
        }
        expected = self.model.acquire(*args, **how)
        for store in self.stores:
            store.acquire(attempt.client, expected, *args, **how)
        if isinstance(expected, Acquired):
            name = attempt.key, message_of(attempt.record.token)
            assert not (attempt.remember_for and name in self.finished)
            if fate is Fate.ANSWERED:
                attempt.number, attempt.works = expected.fence, bool(attempt.lease)

    def _renew(self, client: int, renewals: list[Renewal]) -> list[RenewAnswer]:
        expected = self.model.renew(renewals)
        for store in self.stores:
            store.renew(client, expected, renewals)
        return expected
