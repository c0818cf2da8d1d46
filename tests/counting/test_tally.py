"""The counters of a process reach their store, each amount once, whatever happens."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest

from tests.counting.counted import Away
from tests.forking import in_fork
from tests.leases.test_interrupted import broken_off
from tests.leases.thread_limit import no_new_threads
from tests.waiting import wait_until
from unique_task import MemoryBackend
from unique_task.counting import ledger, names
from unique_task.counting import tally as module
from unique_task.counting.tally import Tally

pytestmark = pytest.mark.any_celery

#: A flush is due at once, and only when it is asked for.
SOON, NEVER = 0.01, 3600.0


class Slow(Away):
    """A store that answers when the test is over."""

    def __init__(self) -> None:
        super().__init__()
        self.over = Event()

    def _count(self, flush: str, amounts: Any, prefix: str) -> None:
        assert self.over.wait(30)


@pytest.fixture
def store() -> Away:
    return Away()


@pytest.fixture
def tally() -> Iterator[Tally]:
    """One that flushes when it is asked to."""
    tally = Tally(NEVER)
    yield tally
    tally.drop()


def test_what_is_counted_is_added_up_by_task_and_counter(tally, store):
    for seconds in (1, 2, 0.5):
        tally.count(store, "work", names.RUNS, seconds)
    tally.count(store, "work", names.LOST)
    tally.count(store, "other", names.LOST)

    assert tally.flush(30)

    assert store.amounts() == {
        ("work", "runs"): 3,
        ("work", "held_seconds"): 3.5,
        ("work", "lost"): 1,
        ("other", "lost"): 1,
    }
    assert len(store.flushes) == 1


def test_they_are_flushed_without_being_asked_for(store):
    tally = Tally(SOON)
    tally.count(store, "work", "runs")

    wait_until(store.amounts)
    tally.count(store, "work", "runs")
    wait_until(lambda: store.amounts() == {("work", "runs"): 2})


def test_what_many_threads_count_adds_up_exactly(store):
    tally, times = Tally(SOON), 2000

    def count(number: int) -> None:
        for _ in range(times):
            tally.count(store, f"task {number % 3}", "runs")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(count, range(9)))

    assert tally.flush(30)
    assert store.amounts() == {(f"task {n}", "runs"): 3 * times for n in range(3)}


def flushers() -> int:
    """How many threads of all tallies run."""
    named = [one for one in threading.enumerate() if one.name == "unique_task counters"]
    # Python also names one whose start was broken off.
    return sum(one.is_alive() for one in named)


def test_wherever_a_signal_breaks_off_a_task_each_entry_counts_once(store):
    """The thread starts anew each time, in the middle of which it may be."""
    before, tally = flushers(), Tally(SOON)

    def count() -> None:
        tally._thread = None
        tally.count(store, "work", "runs")

    moments = sum(1 for _ in broken_off(count))

    assert moments > 5
    assert tally.flush(30)
    counted = store.amounts()["work", "runs"]
    # All but those that were broken off before they were counted.
    assert moments - 3 <= counted <= moments
    # Of several threads that have started, all but one end.
    wait_until(lambda: flushers() <= before + 1)


def test_a_thread_whose_start_was_broken_off_flushes(store):
    tally = Tally(0.2)
    tally.count(store, "work", "runs")
    tally._thread = None

    wait_until(store.amounts)


def test_a_thread_without_work_ends_and_starts_again_with_the_next_entry(
    store, monkeypatch
):
    monkeypatch.setattr(module, "_IDLE", 0.05)
    tally = Tally(SOON)
    tally.count(store, "work", "runs")
    wait_until(lambda: tally._thread is None)

    tally.count(store, "work", "runs")

    wait_until(lambda: store.amounts() == {("work", "runs"): 2})


def test_a_store_that_keeps_no_counters_costs_nothing(tally):
    class Without(MemoryBackend):
        promises = MemoryBackend.promises.__class__()

    tally.count(Without(), "work", "runs")

    assert not tally._entries
    assert tally._thread is None


# A store that is away


def test_what_a_store_could_not_take_comes_later(tally, store, caplog):
    store.away = True
    tally.count(store, "work", "runs")
    assert not tally.flush(30)
    tally.count(store, "work", "runs")
    assert not tally.flush(30)
    store.away = False

    assert tally.flush(30)

    assert store.amounts() == {("work", "runs"): 2}
    assert caplog.text.count("later") == 1


def test_a_flush_whose_answer_is_lost_counts_once(tally, store):
    store.loses_answers = True
    tally.count(store, "work", "runs")
    assert not tally.flush(30)
    tally.count(store, "work", "runs")
    store.loses_answers = False

    assert tally.flush(30)

    assert store.amounts() == {("work", "runs"): 2}
    assert sorted(store.flushes.values()) == [1, 2]


def test_a_flush_that_the_store_may_have_forgotten_is_dropped_and_no_other(
    tally, store, caplog, monkeypatch
):
    """The first one may be counted already; those of the hours after cannot be."""
    monkeypatch.setattr(ledger, "_PATIENCE", 0.5)
    store.away = True
    tally.count(store, "work", "runs")
    assert not tally.flush(30)
    [first] = store.flushes
    time.sleep(0.6)
    tally.count(store, "work", "lost")
    assert not tally.flush(30)
    assert "dropped" not in caplog.text
    store.away = False

    assert tally.flush(30)

    assert store.amounts() == {("work", "lost"): 1}
    assert store.flushes[first] == 1
    assert caplog.text.count("dropped") == 1


def test_a_store_that_is_away_is_asked_after_the_others(tally):
    asked: list[Away] = []

    class Noting(Away):
        def _count(self, *flush: Any) -> None:
            asked.append(self)
            super()._count(*flush)

    first, other = Noting(), Noting()
    first.away = True
    tally.count(first, "work", "runs")
    assert not tally.flush(30)
    tally.count(other, "work", "runs")
    asked.clear()

    assert not tally.flush(30)

    assert asked == [other, first]
    assert other.amounts() == {("work", "runs"): 1}


def test_a_store_that_refuses_is_left_alone_for_a_while(tally, store):
    store.refuses = True
    for _ in range(3):
        tally.count(store, "work", "runs")
        assert tally.flush(30)

    assert sum(store.flushes.values()) == 1


def test_a_store_that_refuses_is_asked_again_and_told_of_once(
    tally, store, caplog, monkeypatch
):
    monkeypatch.setattr(module, "_PAUSE", 0.0)
    store.refuses = True
    for _ in range(3):
        tally.count(store, "work", "runs")
        assert tally.flush(30)
    store.refuses = False
    tally.count(store, "work", "runs")
    tally.finish()

    assert sum(store.flushes.values()) == 4
    assert store.amounts() == {("work", "runs"): 1}
    [warning] = caplog.records
    assert "no right" in warning.getMessage()


def test_a_fork_knows_which_store_refuses(tally, store, caplog):
    store.refuses = True
    tally.count(store, "work", "runs")
    assert tally.flush(30)

    def in_child() -> int:
        tally.forget()
        tally.count(store, "work", "runs")
        tally.finish()
        return len(caplog.records)

    assert in_fork(in_child) == 1


def test_many_counters_are_flushed_in_batches(tally, store, monkeypatch):
    monkeypatch.setattr(ledger, "_BATCH", 10)
    for number in range(25):
        tally.count(store, f"task {number}", "runs")

    assert tally.flush(30)

    assert len(store.amounts()) == 25
    assert len(store.flushes) == 3


def test_an_error_that_is_no_answer_of_the_store_drops_one_flush(tally, store, caplog):
    tally.count(store, "work", names.RUNS, -1)
    assert tally.flush(30)
    tally.count(store, "work", "runs")
    assert tally.flush(30)

    assert store.amounts() == {("work", "runs"): 1}
    assert "a flush of counters is dropped" in caplog.text


# Forks, limits, the end


def test_a_fork_starts_empty_and_counts_for_itself(store: Away):
    tally = module.tally
    tally.count(store, "work", "runs")

    def in_child() -> dict[tuple[str, str], float]:
        tally.count(store, "work", "lost")
        assert tally.flush(30)
        return store.amounts()

    assert in_fork(in_child) == {("work", "lost"): 1}
    assert tally.flush(30)
    assert store.amounts() == {("work", "runs"): 1}


def test_what_no_thread_could_flush_is_flushed_with_the_next_entry(store: Away):
    def in_child() -> dict[tuple[str, str], float]:
        tally = Tally(SOON)
        with no_new_threads():
            tally.count(store, "work", "runs")
        assert not store.amounts()
        tally.count(store, "work", "runs")
        wait_until(store.amounts)
        return store.amounts()

    assert in_fork(in_child) == {("work", "runs"): 2}


def test_a_process_that_ends_flushes_and_waits_two_seconds_at_most(
    tally, store, caplog
):
    tally.count(store, "work", "runs")
    tally.finish()
    assert store.amounts() == {("work", "runs"): 1}

    slow = Slow()
    tally.count(slow, "work", "runs")
    began = time.monotonic()
    tally.finish()
    tally.finish()

    slow.over.set()
    assert time.monotonic() - began < 2.5
    assert caplog.text.count("the process ends") == 1
