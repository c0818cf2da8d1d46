"""One step of a lease at a time: what is freed meanwhile is not taken again."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import pytest

from tests.forking import in_fork
from tests.held_lock import held_lock
from tests.inprocess import TIMEOUT, Gate
from tests.waiting import wait_until
from unique_task import (
    LockStoreError,
    MemoryBackend,
    UniqueCeleryTask,
    lock_acquired,
    lock_lost,
    lock_released,
    unique,
)
from unique_task.backends.record import Record
from unique_task.backends.steps import Acquired, Renewal, RenewAnswer, Renewed
from unique_task.leases.departure import Departure
from unique_task.leases.held_lease import HeldLease
from unique_task.leases.keeper import keeper

pytestmark = pytest.mark.any_celery

pytest_plugins = "tests.inprocess_fixtures"

#: Seconds in which whoever does not wait would have freed the lock.
MEANWHILE = 0.2


class Held(MemoryBackend):
    """Renews the locks in `held` when the gate is open."""

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self._gate = gate
        self.held: set[str] = set()
        self.renewed: list[str] = []

    def _renew(self, renewals: Sequence[Renewal]) -> Sequence[RenewAnswer]:
        if any(renewal.key in self.held for renewal in renewals):
            self._gate.hold()
        self.renewed += [renewal.key for renewal in renewals]
        return super()._renew(renewals)


@pytest.fixture
def store(app, gate) -> Held:
    store = app.conf.unique_backend = Held(gate)
    return store


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


class Releasing(UniqueCeleryTask):
    abstract = True


@pytest.fixture
def extended_while(app, store, gate, threads) -> Callable[..., tuple[HeldLease, bool]]:
    """Run a body while another thread extends its lock; tell what the thread heard."""

    def run(
        leave: Callable[[Any, HeldLease], object], **options: Any
    ) -> tuple[HeldLease, bool]:
        def body(task: Any) -> tuple[HeldLease, Future[bool]]:
            lock = held_lock()
            store.held.add(lock.key)
            extended = threads.submit(lock.extend, 100)
            gate.wait_for_arrival()
            threads.submit(open_gate, time.monotonic() + MEANWHILE, lock)
            leave(task, lock)
            return lock, extended

        def open_gate(end: float, lock: HeldLease) -> None:
            """Let the helper go on when the lock would be free."""
            wait_until(lambda: not store.get(lock.key) or time.monotonic() > end)
            gate.open()

        task = app.task(base=Releasing, bind=True, name="body")(body)
        lock, extended = threads.submit(task).result(TIMEOUT)
        return lock, extended.result(TIMEOUT)

    return run


def ends(task: Any, lock: HeldLease) -> None: ...


def frees(task: Any, lock: HeldLease) -> None:
    lock.end()


def releases(task: Any, lock: HeldLease) -> None:
    assert task.release_lock(task.generate_lock_id())


@pytest.mark.parametrize("leave", [ends, frees, releases])
def test_a_lock_that_is_freed_while_it_is_extended_is_free(
    extended_while, store, leave
):
    lock, _ = extended_while(leave)

    assert store.get(lock.key) is None
    assert lock.kept_by is None


def test_a_lock_that_was_freed_cannot_be_extended(app, store):
    @app.task
    @unique
    def body():
        return held_lock()

    lock = body()

    assert not lock.extend(100)
    assert store.get(lock.key) is None


def test_two_extensions_at_once_leave_the_longer_one(app, store, threads):
    @app.task
    @unique
    def body():
        lock = held_lock()
        asked = [threads.submit(lock.extend, s) for s in (100, 1000, 10)]
        assert all(one.result(TIMEOUT) for one in asked)
        return lock.remaining(), store.get(lock.key).remaining

    assert min(body()) > 500


def test_an_extension_that_hangs_holds_up_no_other_lease(app, store, gate, threads):
    app.conf.unique_lease = 0.3

    @app.task
    @unique(key=())
    def other():
        lock = held_lock()
        wait_until(lambda: store.renewed.count(lock.key) >= 2)

    @app.task
    @unique(key=())
    def body():
        lock = held_lock()
        store.held.add(lock.key)
        extended = threads.submit(lock.extend, 100)
        gate.wait_for_arrival()
        other()
        assert not extended.done()
        gate.open()
        return extended.result(TIMEOUT)

    body()


def test_a_fork_of_the_body_neither_extends_nor_loses_its_lock(app, store, caplog):
    told = []

    def note(**_: Any) -> None:
        told.append("lost")

    @app.task
    @unique(key=(), expire=0.05, renew=False)
    def body():
        lock = held_lock()

        def in_child():
            wait_until(lambda: not lock.remaining())
            return lock.extend(100), lock.lost, told, caplog.messages

        return in_fork(in_child)

    lock_lost.connect(note)
    assert body() == (False, True, [], [])
    lock_lost.disconnect(note)


def test_what_another_task_had_in_between_is_not_taken_again(app, store):
    @app.task
    @unique(key=())
    def body():
        lock, thief = held_lock(), Record("thief/0/0//nonce")
        store.release(lock.key, lock.record.token)
        store.acquire(lock.key, thief, expire=100)
        assert not lock.extend(100)
        store.release(lock.key, thief.token)
        return lock.extend(100), store.get(lock.key)

    assert body() == (False, None)


def test_an_extension_of_which_nothing_is_known_is_an_error(app, store, monkeypatch):
    monkeypatch.setattr(store, "_renew", lambda renewals: [Renewed.UNKNOWN])

    @app.task
    @unique
    def body():
        end = time.monotonic() + held_lock().remaining()
        with pytest.raises(LockStoreError, match="was not extended"):
            held_lock().extend(1000)
        return time.monotonic() + held_lock().remaining() - end

    assert body() < 1


@pytest.mark.parametrize("how", ["free", "extend"])
def test_a_receiver_may_free_or_extend_the_lock_it_is_told_of(app, store, threads, how):
    app.conf.unique_lease = 0.3
    told = []

    def act(signal: Any, lock: HeldLease, **_: Any) -> None:
        told.append(signal)
        lock.end() if how == "free" else lock.extend(100)

    @app.task
    @unique(key=())
    def body():
        lock = held_lock()
        store.release(lock.key, lock.record.token)
        wait_until(lambda: lock.released or lock_lost in told)
        return lock

    signals = lock_acquired, lock_lost, lock_released
    for signal in signals:
        signal.connect(act)
    try:
        lock = threads.submit(body).result(TIMEOUT)
    finally:
        for signal in signals:
            signal.disconnect(act)
    assert store.get(lock.key) is None
    assert lock_released in told


def test_an_attempt_that_has_left_is_not_renewed_by_what_was_under_way(
    store, gate, threads
):
    record, again = (Record(f"task/0/0/mark/{nonce}") for nonce in "ab")
    store.acquire("key", record, expire=60, remember_for=60)
    departure = Departure(store, "key", record, expire=60, finished_for=60)
    store.release("key", record.token, leaving=departure.leaving)
    store.held.add("key")
    departure.renew_at = 0
    keeper.add(departure)
    gate.wait_for_arrival()

    ended = threads.submit(departure.end, finished=False)
    wait([ended], MEANWHILE)
    gate.open()
    ended.result(TIMEOUT)
    wait_until(lambda: store.renewed)

    # Broken off, it may run when its message comes again.
    assert isinstance(store.acquire("key", again, expire=60, remember_for=60), Acquired)
