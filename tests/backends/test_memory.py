"""What is special about locks in this process."""

import time

import pytest

from tests.backends.stores import REMEMBERED, record_of, redelivered
from tests.clock import Clock
from unique_task import MemoryBackend
from unique_task.backends.steps import Acquired, Finished, Renewal, Renewed, Stored

MANY = 20_000


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def backend(clock: Clock) -> MemoryBackend:
    return MemoryBackend(timer=clock)


def test_no_number_of_locks_drives_out_a_held_one(backend):
    record = record_of("one of many")
    for number in range(MANY):
        backend.acquire(f"key {number}", record, expire=10)

    assert all(backend.get(f"key {number}") for number in range(MANY))


def test_a_lock_stands_to_the_last_moment_of_its_time(backend, clock):
    backend.acquire("key", record_of("first"), expire=10)

    clock.now += 9.999
    assert backend.get("key").remaining == pytest.approx(0.001)
    clock.now += 0.001
    assert backend.get("key") is None


def test_an_expired_lock_is_taken_by_the_next(backend, clock):
    backend.acquire("key", record_of("first"), expire=10)
    clock.now += 10

    assert isinstance(backend.acquire("key", record_of("next"), 10), Acquired)


def test_a_renewed_lock_ends_by_its_last_renewal(backend, clock):
    record = record_of("first")
    fence = backend.acquire("key", record, expire=10).fence
    clock.now += 9

    assert backend.renew([Renewal("key", record, fence, 10)]) == [Renewed.HELD]
    clock.now += 9
    assert backend.get("key").remaining == 1


def test_a_repeated_acquisition_does_not_prolong_the_lock(backend, clock):
    record = record_of("first")
    backend.acquire("key", record, expire=10)
    clock.now += 9

    backend.acquire("key", record, expire=10)

    assert backend.get("key").remaining == 1


def test_a_value_is_fresh_to_the_last_moment_of_its_time(backend, clock):
    record = record_of("first")
    backend.acquire("key", record, expire=10)
    backend.release("key", record.token, value=b"value", fresh_for=5)

    clock.now += 4.999
    answer = backend.acquire("key", record_of("next"), 10, accept_value=True)
    assert answer == Stored(b"value")
    clock.now += 0.001
    answer = backend.acquire("key", record_of("next"), 10, accept_value=True)
    assert isinstance(answer, Acquired)


def test_the_fence_grows_also_if_the_clock_goes_back(backend, monkeypatch):
    now = time.time_ns()
    fences = []
    for turn in range(3):
        monkeypatch.setattr(time, "time_ns", lambda: now - turn * 1_000_000_000)
        record = record_of(f"task-{turn}")
        fences.append(backend.acquire("key", record, expire=10).fence)
        backend.release("key", record.token)

    assert fences == sorted(set(fences))


def test_the_fence_grows_where_a_lock_is_taken_over_and_the_clock_goes_back(
    backend, monkeypatch
):
    dead = record_of("dead")
    fence = backend.acquire("key", dead, expire=10).fence
    monkeypatch.setattr(time, "time_ns", lambda: fence * 1000 - 1_000_000_000)

    taken = backend.acquire(
        "key", record_of("next"), expire=10, take_over_from=[dead.token]
    )

    assert taken.fence > fence


def test_a_finished_attempt_is_remembered_to_the_last_moment(backend, clock):
    record = record_of("first")
    backend.release("key", record.token, finished_for=5)

    clock.now += 4.999
    assert backend.acquire("key", record, 10, remember_for=REMEMBERED) == Finished()
    clock.now += 0.001
    assert isinstance(
        backend.acquire("key", record, 10, remember_for=REMEMBERED), Acquired
    )


def test_an_admitted_attempt_is_remembered_to_the_last_moment(backend, clock):
    record = record_of("first")
    backend.acquire("key", record, expire=10, remember_for=5)

    clock.now += 4.999
    assert backend.acquire(
        "key", redelivered(record), 10, remember_for=REMEMBERED
    ).admitted
    clock.now += 0.001
    answer = backend.acquire("key", redelivered(record), 10, remember_for=REMEMBERED)
    assert not answer.admitted


def test_two_backends_are_two_sets_of_locks():
    MemoryBackend().acquire("key", record_of("first"), expire=10)

    assert MemoryBackend().get("key") is None


def test_it_says_that_other_processes_do_not_see_its_locks():
    assert not MemoryBackend().shared


# Several holders


def holders_kept(backend: MemoryBackend) -> list[int]:
    return [len(holders) for holders in backend._holders_of.values()]


def test_the_holders_of_a_lock_are_forgotten_when_the_last_one_leaves(backend):
    records = [record_of("one of many") for _ in range(10)]
    for record in records:
        backend.acquire("key", record, expire=10, limit=10)
    assert holders_kept(backend) == [10]

    for record in records:
        backend.release("key", record.token, limit=10)

    assert holders_kept(backend) == []


def test_the_holders_of_a_lock_are_forgotten_when_their_time_is_over(backend, clock):
    for number in range(10):
        backend.acquire(f"key {number}", record_of("one"), expire=10, limit=2)
    clock.now += 10

    backend.acquire("another", record_of("one"), expire=10, limit=2)

    assert holders_kept(backend) == [1]


def test_each_of_several_holders_ends_to_the_moment(backend, clock):
    for number in range(100):
        backend.acquire("key", record_of("one"), expire=10 + number, limit=100)

    clock.now += 19.999
    assert len(backend.holders("key")) == 90
    clock.now += 0.001
    assert len(backend.holders("key")) == 89


def test_who_comes_and_goes_beside_another_leaves_nothing_behind(backend):
    backend.acquire("key", record_of("long"), expire=1000, limit=2)
    for _ in range(1000):
        record = record_of("short")
        backend.acquire("key", record, expire=10, limit=2)
        backend.release("key", record.token, limit=2)

    [holders] = backend._holders_of.values()
    assert len(holders._ends) < 50
