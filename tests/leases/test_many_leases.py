"""Many leases at once, and leases that come while the keeper's thread decides."""

import time
from collections.abc import Callable, Sequence
from itertools import count
from threading import Event, Thread, get_ident
from typing import TypeVar

import pytest
from celery import Task

from tests.inprocess import TIMEOUT
from tests.waiting import wait_until
from unique_task import LockStoreError, MemoryBackend
from unique_task.backends.batches import MOST
from unique_task.backends.record import Record, Token
from unique_task.backends.steps import Renewal, RenewAnswer
from unique_task.leases.held_lease import HeldLease
from unique_task.leases.keeper import Keeper

pytestmark = pytest.mark.any_celery

#: Seconds of a lease after which the thread of a keeper without leases ends at once.
INSTANT = 0.001

#: Seconds in which a thread that does not wait would have added its lease.
MEANWHILE = 0.2

Made = TypeVar("Made", bound=HeldLease)

numbers = count()


class Noting(MemoryBackend):
    """Notes that it has renewed something."""

    def __init__(self) -> None:
        super().__init__()
        self.has_renewed = Event()

    def _renew(self, renewals: Sequence[Renewal]) -> Sequence[RenewAnswer]:
        self.has_renewed.set()
        return super()._renew(renewals)


@pytest.fixture
def store() -> Noting:
    return Noting()


def lease_in(store: MemoryBackend, task: Task, expire: float, kind: type[Made]) -> Made:
    key, record = f"key {next(numbers)}", Record(Token.of_attempt("holder"))
    asked_at = time.monotonic()
    store.acquire(key, record, expire=100)
    return kind(*(task, None, "holder", store, key, key, record, 1, expire, asked_at))


def test_a_lease_that_comes_as_the_thread_ends_is_renewed(store, task):
    keeper = Keeper()

    for turn in range(300):
        lease = lease_in(store, task, INSTANT, HeldLease)
        lease.renew_at = 0.0
        store.has_renewed.clear()
        keeper.add(lease)
        assert store.has_renewed.wait(TIMEOUT)
        keeper.remove(lease)
        # The thread ends some time after that: before, with or after the next lease.
        time.sleep(turn % 30 / 10_000)


class Observed(HeldLease):
    """Calls `look` while the keeper's thread decides when to look again."""

    look: Callable[[], object] = staticmethod(lambda: None)

    @property
    def interval(self) -> float:
        self.look()
        return super().interval


def test_a_lease_that_comes_as_the_thread_decides_to_sleep_is_renewed(store, task):
    keeper = Keeper()
    long, short = (lease_in(store, task, seconds, Observed) for seconds in (600, 3))
    adds = Thread(target=keeper.add, args=(short,))

    def add_short() -> None:
        if get_ident() != main and not adds.ident:
            adds.start()
            # It may wait for the thread that decides, and is added all the same.
            adds.join(MEANWHILE)

    main, long.look = get_ident(), add_short
    keeper.add(long)

    assert store.has_renewed.wait(TIMEOUT)
    assert not short.lost


class Picky(MemoryBackend):
    """Renews no batch with the lock `refused` in it, and notes all others."""

    refused = ""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[str]] = []

    def _renew(self, renewals: Sequence[Renewal]) -> Sequence[RenewAnswer]:
        keys = [renewal.key for renewal in renewals]
        self.batches.append(keys)
        if self.refused in keys:
            raise LockStoreError("a batch that fails")
        return super()._renew(renewals)


def test_a_batch_of_leases_that_cannot_be_renewed_holds_up_no_other(task):
    keeper, store = Keeper(), Picky()
    leases = [lease_in(store, task, 600, HeldLease) for _ in range(3 * MOST)]
    store.refused = leases[0].key

    for number, lease in enumerate(leases):
        lease.renew_at = float(number)
        keeper.add(lease)

    soon = time.monotonic() + 100
    wait_until(lambda: sum(lease.renew_at > soon for lease in leases) >= 2 * MOST)
    assert leases[0].renew_at < soon
    assert max(map(len, store.batches)) == MOST
    # Else the log of the tests that follow keeps them, by the frames of the error.
    for lease in leases:
        keeper.remove(lease)
