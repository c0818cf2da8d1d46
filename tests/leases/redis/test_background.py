"""Locks that are freed in the background: of stores that are away, and at the end."""

import time
from collections.abc import Iterator
from functools import partial

import pytest
from celery import signals

from tests.leases.ending import Ending
from tests.waiting import wait_until
from unique_task import LockStoreError, MemoryBackend, RedisBackend
from unique_task.leases import background
from unique_task.leases.background import in_background

pytestmark = pytest.mark.any_celery

PAUSE = 0.05


class Away(MemoryBackend):
    """A store that notes when it is asked, and does not answer while it is away."""

    def __init__(self) -> None:
        super().__init__()
        self.away = True
        self.asked: list[float] = []
        self.freed: list[int] = []

    def free(self, number: int) -> None:
        self.asked.append(time.monotonic())
        if self.away:
            raise LockStoreError("away")
        self.freed.append(number)


@pytest.fixture(autouse=True)
def short_pause(monkeypatch):
    monkeypatch.setattr(background, "_PAUSE", PAUSE)


@pytest.fixture
def away() -> Iterator[Away]:
    """A store that is away, with forty locks to free."""
    store = Away()
    for number in range(40):
        in_background(store, partial(store.free, number))
    yield store
    store.away = False
    wait_until(lambda: len(store.freed) == 40)


def test_a_store_that_is_away_holds_up_no_other(away):
    store = Away()
    store.away = False

    in_background(store, partial(store.free, 1))

    wait_until(lambda: store.freed)
    assert not away.freed


def test_a_store_that_is_away_is_asked_once_in_a_pause_and_not_for_each_lock(away):
    wait_until(lambda: len(away.asked) > 4)

    asked = list(away.asked)
    assert all(after - before >= PAUSE for before, after in zip(asked, asked[1:]))


def test_all_locks_are_freed_without_a_pause_once_the_store_answers(away):
    wait_until(lambda: away.asked)
    away.away = False

    wait_until(lambda: len(away.freed) == 40)

    assert sorted(away.freed) == list(range(40))
    assert len(away.asked) < 80


def test_what_a_store_does_not_free_in_time_is_given_up_with_a_word(
    monkeypatch, caplog
):
    monkeypatch.setattr(background, "_PATIENCE", 0.0)
    store = Away()

    in_background(store, partial(store.free, 1))

    wait_until(lambda: "1 locks could not be released, and end by time" in caplog.text)
    monkeypatch.setattr(background, "_PATIENCE", 60.0)
    store.away = False
    in_background(store, partial(store.free, 2))
    wait_until(lambda: store.freed == [2])


def test_no_more_locks_wait_than_a_process_has_room_for(monkeypatch, caplog):
    monkeypatch.setattr(background, "_MOST", 3)
    store = Away()
    in_background(store, partial(store.free, 0))
    wait_until(lambda: store.asked)

    for number in range(1, 5):
        in_background(store, partial(store.free, number))

    store.away = False
    wait_until(lambda: len(store.freed) == 3)
    assert "more than 3 locks wait for release" in caplog.text


def test_a_job_that_fails_in_another_way_does_not_end_the_thread(caplog):
    store = Away()
    store.away = False

    in_background(store, lambda: 1 / 0)
    in_background(store, partial(store.free, 1))

    wait_until(lambda: store.freed)
    assert "ZeroDivisionError" in caplog.text


@pytest.fixture
def at_its_end() -> Iterator[None]:
    """The process may come to its end more than once."""
    forget = getattr(background, "_background").forget
    forget()
    yield
    forget()


@pytest.mark.usefixtures("at_its_end")
def test_a_child_of_a_pool_frees_what_is_left_before_it_ends(monkeypatch):
    monkeypatch.setattr(background, "_PAUSE", 1000.0)
    store = Away()
    # Longer than the machine may stand still.
    store.timeout = 60
    in_background(store, partial(store.free, 1))
    wait_until(lambda: store.asked)
    store.away = False

    signals.worker_process_shutdown.send(sender=None, pid=1, exitcode=0)

    assert store.freed == [1]


def test_a_process_frees_what_it_did_not_publish_before_it_ends(own_redis):
    """Redis stalls, and takes the lock when the process has gone on to its end."""
    processes = "script", "multiprocessing", "billiard"
    endings = [Ending(how, own_redis.url) for how in processes]
    try:
        for ending in endings:
            ending.wait_for("ready")
        own_redis.pause()
        for ending in endings:
            ending.go_on()
        for ending in endings:
            ending.wait_for("LockStoreError")
        own_redis.resume()
        assert [ending.code() for ending in endings] == [0, 0, 0]
    finally:
        own_redis.resume()
        for ending in endings:
            ending.kill()

    locks = [RedisBackend(own_redis.url).get(ending.key) for ending in endings]
    assert locks == [None, None, None]
    # They had been taken, when the processes had heard that they were not.
    assert own_redis.client.info("commandstats")["cmdstat_del"]["calls"] == 3


def test_a_process_does_not_wait_for_ever_for_a_store_that_is_away():
    ending = Ending("script", "redis://127.0.0.1:1/0", patience=0.5)
    ending.wait_for("ready")
    ending.go_on()

    assert ending.code() == 0
    assert "ends before 2 locks are released" in ending.rest
