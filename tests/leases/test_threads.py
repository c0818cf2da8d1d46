"""Where no thread can be started for a while, or one dies, and receivers are slow."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from celery.utils.dispatch import Signal

from tests.forking import in_fork
from tests.inprocess import TIMEOUT
from tests.leases.thread_limit import no_new_threads
from tests.waiting import wait_until
from unique_task import (
    MemoryBackend,
    current_lock,
    lock_acquired,
    lock_lost,
    lock_released,
    unique,
)
from unique_task.backends.record import Record
from unique_task.backends.sql import SQLBackend
from unique_task.backends.steps import Renewal, RenewAnswer
from unique_task.leases.aside import SignalSender
from unique_task.leases.background import StoreReleases

pytestmark = pytest.mark.any_celery

pytest_plugins = "tests.inprocess_fixtures"

#: Seconds of a lease that is renewed soon.
LEASE = 0.3


class Counting(MemoryBackend):
    """Notes what is renewed; fails with the errors that it is given first."""

    def __init__(self) -> None:
        super().__init__()
        self.renewed: list[str] = []
        self.errors: list[BaseException] = []

    def _renew(self, renewals: Sequence[Renewal]) -> Sequence[RenewAnswer]:
        if self.errors:
            raise self.errors.pop()
        self.renewed += [renewal.key for renewal in renewals]
        return super()._renew(renewals)

    def wait_for_renewals(self, key: str, count: int = 2) -> None:
        enough = self.renewed.count(key) + count
        wait_until(lambda: self.renewed.count(key) >= enough, TIMEOUT / 3)


@pytest.fixture
def store(app) -> Counting:
    app.conf.unique_lease = LEASE
    store = app.conf.unique_backend = Counting()
    return store


@pytest.fixture
def run(app) -> Callable[..., Any]:
    """Run a body under a lock of its own."""

    def run(body: Callable[[], Any], key: str) -> Any:
        def call() -> Any:
            return body()

        task = app.task(name=key, shared=False)(unique(key=())(call))
        return task()

    return run


@contextmanager
def receiving(signal: Signal, receiver: Callable[..., Any]) -> Iterator[None]:
    signal.connect(receiver)
    try:
        yield
    finally:
        signal.disconnect(receiver)


def steal(store: MemoryBackend, key: str) -> None:
    held = store.get(key)
    assert held
    store.release(key, held.record.token)
    store.acquire(key, Record("thief/0/0//nonce"), expire=100)


# No thread for now


def test_leases_are_renewed_again_when_the_limit_of_threads_is_lifted(
    run, store, caplog
):
    limit = ExitStack()

    def outer() -> list[str]:
        lock = current_lock()
        wait_until(lambda: not lock.remaining())
        # Another run finds that the lease is over, and tells of it.
        run(lambda: None, "second")
        said = [text.partition("[")[0] for text in caplog.messages if "lost" in text]
        limit.close()
        run(lambda: wait_until(lock.remaining, TIMEOUT / 3), "third")
        store.wait_for_renewals(lock.key)
        return said

    def in_child() -> tuple[str, list[str]]:
        with limit:
            limit.enter_context(no_new_threads())
            with pytest.raises(RuntimeError, match="can't start new thread"):
                threading.Thread(target=print).start()
            lost = run(outer, "outer")
        return caplog.messages[0], lost

    said, lost = in_fork(in_child)

    assert said.startswith("the thread 'unique_task' cannot be started for now: can't")
    assert lost == ["outer"]


def test_what_a_receiver_was_not_told_for_want_of_a_thread_it_is_told_later():
    def in_child() -> list[int]:
        teller, told = SignalSender(), list[int]()
        with no_new_threads():
            assert teller.add(lambda: told.append(1))
        assert not told
        teller.add(lambda: told.append(2))
        wait_until(lambda: len(told) == 2)
        return told

    assert in_fork(in_child) == [1, 2]


def test_a_lock_that_no_thread_could_free_is_freed_with_the_next_one():
    def in_child() -> list[int]:
        releases, freed = StoreReleases("store"), list[int]()
        with no_new_threads():
            releases.add(lambda: freed.append(1))
        assert not freed
        releases.add(lambda: freed.append(2))
        wait_until(lambda: len(freed) == 2)
        return freed

    assert in_fork(in_child) == [1, 2]


def test_a_database_is_used_where_no_thread_can_sweep_it(tmp_path):
    def in_child() -> float:
        backend = SQLBackend(f"sqlite:///{tmp_path}/locks.sqlite")
        backend.check()
        sweeper = backend._sweeper
        sweeper.due = 0
        with no_new_threads():
            backend.check()
        return sweeper.due - time.monotonic()

    assert 0 < in_fork(in_child) <= 60


class Killed(BaseException):
    """As a greenlet that is killed."""


@pytest.mark.parametrize("error", [MemoryError, SystemExit, KeyboardInterrupt, Killed])
def test_another_thread_renews_the_leases_of_one_that_died(run, store, caplog, error):
    def body() -> None:
        store.errors.append(error())
        store.wait_for_renewals(current_lock().key)

    run(body, "key")

    assert "renew" in caplog.text and error.__name__ in caplog.text


# Receivers that take their time


def test_a_slow_receiver_of_a_loss_holds_up_no_renewal(run, store, gate, caplog):
    def hold(lock: Any, **_: Any) -> None:
        gate.hold()

    def inner() -> None:
        store.wait_for_renewals(current_lock().key)
        # Nor does it hold up what the log says of others.
        steal(store, current_lock().key)
        wait_until(lambda: caplog.text.count("another task holds it") == 2)

    def outer() -> None:
        steal(store, current_lock().key)
        gate.wait_for_arrival()
        run(inner, "inner")

    with receiving(lock_lost, hold):
        run(outer, "outer")
        gate.open()


@pytest.mark.parametrize("signal", [lock_acquired, lock_released])
def test_the_lock_is_kept_while_a_receiver_takes_its_time(run, store, signal):
    renewed = []

    def wait(lock: Any, **_: Any) -> None:
        if lock.task.name == "outer" and signal is lock_released:
            return  # it is free by then
        key = lock.key if signal is lock_acquired else current_lock().key
        store.wait_for_renewals(key)
        renewed.append(lock.task.name)

    with receiving(signal, wait):
        run(lambda: run(lambda: None, "inner"), "outer")

    assert "inner" in renewed


def test_only_so_many_calls_wait_for_slow_receivers(gate, monkeypatch):
    monkeypatch.setattr("unique_task.leases.aside._MOST", 2)
    teller = SignalSender()
    teller.add(gate.hold)
    gate.wait_for_arrival()

    assert [teller.add(lambda: None) for _ in range(3)] == [True, True, False]
    gate.open()
    wait_until(lambda: teller.add(lambda: None))


def test_a_fork_tells_nothing_of_its_parents(gate):
    told = list[str]()
    teller = SignalSender()
    teller.add(gate.hold)
    gate.wait_for_arrival()
    teller.add(lambda: told.append("parent's"))

    def in_child() -> list[str]:
        teller.forget()
        teller.add(lambda: told.append("fork's"))
        wait_until(lambda: told)
        return told

    assert in_fork(in_child) == ["fork's"]
    gate.open()
    wait_until(lambda: told == ["parent's"])
