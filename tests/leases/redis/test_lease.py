"""A held lock, as the body that runs under it sees it."""

import itertools
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from celery import Celery

from tests.forking import in_fork
from tests.waiting import wait_until
from unique_task import (
    LockStoreError,
    RedisBackend,
    current_lock,
    lock_acquired,
    lock_lost,
    lock_released,
    unique,
)
from unique_task.backends.record import Record
from unique_task.leases.held_lease import HeldLease
from unique_task.leases.keeper import keeper

Run = Callable[..., Any]


@pytest.fixture
def app(redis_url: str) -> Celery:
    app = Celery("lease_tests", set_as_current=False)
    app.conf.unique_backend = redis_url
    return app


@pytest.fixture
def store(redis_url: str) -> RedisBackend:
    """The store of the locks, whatever stands before it."""
    return RedisBackend(redis_url)


@pytest.fixture
def run(app: Celery) -> Run:
    """Call it with a body: it runs as a guarded task, and its value comes back."""

    numbers = itertools.count()

    def start(body: Callable[..., Any], **options: Any) -> Any:
        @app.task(shared=False, name=f"body {next(numbers)}")
        @unique(key="one", namespace="all bodies", **options)
        def task():
            return body(current_lock())

        return task()

    return start


@pytest.fixture
def told() -> Iterator[list[str]]:
    """The signals that were sent of locks."""
    names: list[str] = []
    signals = {
        "acquired": lock_acquired,
        "lost": lock_lost,
        "released": lock_released,
    }

    def receiver_of(name: str) -> Callable[..., None]:
        def note(lock: HeldLease, **_: object) -> None:
            names.append(name)

        return note

    receivers = {name: receiver_of(name) for name in signals}
    for name, receiver in receivers.items():
        signals[name].connect(receiver)
    yield names
    for name, receiver in receivers.items():
        signals[name].disconnect(receiver)


def end_in(store: RedisBackend, lock: HeldLease) -> float:
    """Until when the store has the lock, if nothing renews it any more."""
    held = store.get(lock.key)
    assert held, "the lock has ended"
    return time.monotonic() + held.remaining


# What it tells


def test_outside_of_a_body_there_is_no_current_lock():
    with pytest.raises(LookupError, match="only inside the body of a @unique task"):
        current_lock()


def test_a_thread_that_the_body_started_has_no_current_lock(run):
    def in_thread(lock: HeldLease) -> BaseException | None:
        with ThreadPoolExecutor(1) as threads:
            return threads.submit(current_lock).exception()

    assert isinstance(run(in_thread), LookupError)


def test_after_the_body_there_is_no_current_lock(run):
    run(lambda lock: None)

    with pytest.raises(LookupError):
        current_lock()


def test_the_lock_is_the_one_in_the_store(run, store):
    lock, held = run(lambda lock: (lock, store.get(lock.key)))

    assert held.record.owner == lock.owner
    assert held.record.fence == lock.fence
    assert not lock.lost


def test_the_owner_is_the_id_of_the_task(app):
    @app.task(shared=False)
    @unique
    def owner():
        return current_lock().owner

    assert owner.apply(task_id="task-1").get() == "task-1"


def test_the_fence_grows_from_run_to_run(run):
    fences = [run(lambda lock: lock.fence) for _ in range(10)]

    assert fences == sorted(set(fences))


def test_what_remains_is_never_more_than_in_the_store(run, app, store, redis_proxy):
    app.conf.unique_backend = redis_proxy.url
    redis_proxy.delay(0.2)

    def remaining(lock: HeldLease) -> tuple[float, float]:
        held = store.get(lock.key)
        assert held
        return held.remaining, lock.remaining()

    in_store, known = run(remaining)

    # The store counts in milliseconds.
    assert in_store - 10 < known < in_store + 0.002


# How long it is held


def test_a_lock_is_held_in_leases(run, app):
    app.conf.unique_lease = 50

    assert 40 < run(lambda lock: lock.remaining()) <= 50


def test_a_lease_is_not_longer_than_the_lock_may_stand(run):
    assert run(lambda lock: lock.remaining(), expire=2) <= 2


def test_a_body_outlives_its_lease_and_stays_alone(run, app, store):
    app.conf.unique_lease = 4

    def outlive(lock: HeldLease) -> bool:
        end = time.monotonic() + lock.remaining()
        wait_until(lambda: end_in(store, lock) > end + 1)
        held = store.get(lock.key)
        return held is not None and held.record.owner == lock.owner and not lock.lost

    assert run(outlive)


def test_a_body_that_is_not_renewed_loses_its_lock(run, store, told, caplog):
    def outlive(lock: HeldLease) -> tuple[HeldLease, float]:
        wait_until(lambda: not store.get(lock.key))
        return lock, lock.remaining()

    lock, remaining = run(outlive, renew=False, expire=0.3)

    assert remaining == 0
    assert lock.lost
    assert told == ["acquired", "lost", "released"]
    assert "was not held any more when the task ended" in caplog.text


def test_a_short_run_costs_two_round_trips(run, redis_server):
    run(lambda lock: None)
    redis_server.reset_counts()

    for _ in range(10):
        run(lambda lock: None)

    counts = redis_server.command_counts()
    assert counts["evalsha"] == 20
    assert sum(counts.values()) <= 60


# Held on to by the body


def test_an_extended_lock_stands_so_long(run, store):
    def extend(lock: HeldLease) -> tuple[bool, float, float]:
        extended = lock.extend(100)
        held = store.get(lock.key)
        assert held
        return extended, held.remaining, lock.remaining()

    extended, in_store, known = run(extend)

    assert extended
    assert 90 < known <= in_store + 0.002
    assert in_store <= 100


def test_a_renewal_does_not_shorten_an_extended_lock(run, app, store, redis_server):
    app.conf.unique_lease = 0.6

    def extend(lock: HeldLease) -> tuple[float, float]:
        lock.extend(100)
        redis_server.reset_counts()
        wait_until(lambda: redis_server.command_counts().get("evalsha", 0) >= 2)
        held = store.get(lock.key)
        assert held
        return held.remaining, lock.remaining()

    assert min(run(extend)) > 90


def test_a_lock_that_was_taken_cannot_be_extended(run, store):
    def extend(lock: HeldLease) -> bool:
        steal(store, lock)
        return lock.extend(100)

    assert run(extend) is False


def steal(store: RedisBackend, lock: HeldLease) -> None:
    store.release(lock.key, lock.record.token)
    store.acquire(lock.key, Record("thief/0/0//ab"), expire=100)


def test_what_could_not_be_extended_is_not_extended_later(run, redis_url, redis_proxy):
    store = RedisBackend(redis_url)

    def extend(lock: HeldLease) -> float:
        redis_proxy.cut()
        with pytest.raises(LockStoreError):
            lock.extend(1000)
        redis_proxy.restore()
        lock.extend(20)
        held = store.get(lock.key)
        assert held is not None
        return held.remaining

    assert run(extend, backend=redis_proxy.url) <= 20


def test_a_lock_that_cannot_be_extended_is_renewed_all_the_same(
    run, app, store, redis_proxy
):
    app.conf.update(unique_backend=redis_proxy.url, unique_lease=4)

    def extend(lock: HeldLease) -> bool:
        end = time.monotonic() + lock.remaining()
        redis_proxy.cut()
        with pytest.raises(LockStoreError):
            lock.extend(100)
        redis_proxy.restore()
        wait_until(lambda: end_in(store, lock) > end + 1)
        return not lock.lost

    assert run(extend)


# Freed


def test_a_lock_is_free_after_the_body(run, store, told):
    key = run(lambda lock: lock.key)

    assert store.get(key) is None
    assert told == ["acquired", "released"]


def test_a_lock_is_freed_once(run, store, told):
    def free(lock: HeldLease) -> None:
        lock.end()
        assert store.get(lock.key) is None
        steal(store, lock)

    run(free)

    assert told == ["acquired", "released"]


def test_a_lock_that_was_taken_is_not_freed(run, store, told):
    def lose(lock: HeldLease) -> str:
        steal(store, lock)
        return lock.key

    key = run(lose)

    assert store.get(key).record.owner == "thief"
    assert told == ["acquired", "lost", "released"]


@pytest.mark.parametrize("outage", ["cut", "hang"])
def test_a_store_that_does_not_hear_of_the_end_changes_no_outcome(
    run, app, redis_proxy, caplog, outage
):
    app.conf.update(unique_backend=redis_proxy.url, unique_timeout=0.4)

    def finish(lock: HeldLease) -> str:
        getattr(redis_proxy, outage)()
        return "done"

    assert run(finish) == "done"
    assert "could not release its lock, which ends in 1" in caplog.text


def test_a_renewal_that_fails_while_the_lock_is_freed_has_lost_nothing(
    run, app, redis_proxy, store, told
):
    app.conf.update(unique_timeout=1, unique_lease=600, unique_backend=redis_proxy.url)

    def body(lock):
        redis_proxy.hang()
        # Due at once: the keeper asks, and waits for the answer.
        keeper.remove(lock)
        lock.renew_at = 0
        keeper.add(lock)
        wait_until(lambda: lock.renew_at)
        return lock.key

    key = run(body)
    assert told == ["acquired"]
    # It is freed when the store answers, long before its lease is over.
    redis_proxy.restore()
    wait_until(lambda: store.get(key) is None)


@pytest.mark.parametrize("error", [RuntimeError, SystemExit])
def test_a_receiver_that_fails_changes_no_outcome(run, store, error):
    def fail(lock: HeldLease, **_: object) -> None:
        raise error("of a receiver")

    lock_released.connect(fail)
    try:
        key = run(lambda lock: lock.key)
    finally:
        lock_released.disconnect(fail)

    assert store.get(key) is None


def test_a_fork_of_the_body_does_not_free_its_parents_lock(run, store):
    def fork(lock: HeldLease) -> bool:
        in_fork(lock.end)
        return store.get(lock.key) is not None

    assert run(fork)


# Calls inside of calls


def test_a_body_that_calls_itself_does_not_lock_itself_out(app, store):
    @app.task(shared=False)
    @unique(key="one")
    def countdown(number):
        rest = countdown(number - 1) if number else []
        lock = current_lock()
        return [*rest, (lock.owner, store.get(lock.key) is not None)]

    found = countdown(3)

    assert len(found) == 4
    assert len({owner for owner, _ in found}) == 1
    assert all(held for _, held in found)


def test_the_lock_of_an_inner_call_is_the_current_one_only_inside(app):
    @app.task(shared=False)
    @unique
    def inner():
        return current_lock().key

    @app.task(shared=False)
    @unique
    def outer():
        return current_lock().key, inner(), current_lock().key

    before, inside, after = outer()

    assert before == after != inside


def test_an_inner_call_of_the_outermost_key_is_let_in(app):
    @app.task(shared=False)
    @unique(key="{depth}")
    def inner(depth):
        return outer() if depth else "the end"

    @app.task(shared=False)
    @unique(key="outer")
    def outer(depth=0):
        return inner(depth)

    assert outer(1) == "the end"


def test_a_key_in_another_store_is_another_lock(app, redis_url):
    @app.task(shared=False, name="one")
    @unique(namespace="both", key="key")
    def one():
        return other(), current_lock().key, current_lock().owner

    @app.task(shared=False, name="other")
    @unique(namespace="both", key="key", backend=redis_url.removesuffix("0") + "1")
    def other():
        return current_lock().key, current_lock().owner

    (inner_key, inner_owner), key, owner = one()

    assert inner_key == key
    assert inner_owner != owner


# No lock at all


def test_a_body_that_runs_unguarded_has_a_lock_that_never_ends(run, app, redis_server):
    app.conf.unique_enabled = False

    def use(lock: HeldLease) -> tuple[float, bool, bool]:
        return lock.remaining(), lock.extend(100), lock.lost

    assert run(use) == (math.inf, True, False)
    assert redis_server.client.keys() == []


def test_a_body_is_told_as_soon_as_its_lease_is_over(run, told):
    def outlive(lock: HeldLease) -> list[str]:
        wait_until(lambda: lock.lost)
        return list(told)

    assert run(outlive, expire=0.05, renew=False) == ["acquired", "lost"]


def test_nothing_remains_of_a_lock_that_was_freed_early(run):
    def free(lock: HeldLease) -> tuple[float, bool]:
        lock.end()
        return lock.remaining(), lock.lost

    assert run(free) == (0, False)


def test_a_child_that_the_body_forks_does_not_hold_its_lock(run):
    def hold(lock: HeldLease) -> BaseException | None:
        def look() -> BaseException | None:
            try:
                current_lock()
            except LookupError as error:
                return error
            return None

        return in_fork(look)

    assert isinstance(run(hold), LookupError)


def test_a_receiver_of_the_loss_may_extend_the_lock(run, store):
    asked = []

    def extend(lock: HeldLease, **_: object) -> None:
        asked.append(lock.extend(5))

    def lose(lock: HeldLease) -> bool:
        store.release(lock.key, lock.record.token)
        wait_until(lambda: asked)
        return lock.lost

    lock_lost.connect(extend)
    assert run(lose, expire=0.3)
    lock_lost.disconnect(extend)

    assert asked == [False]
