"""What is special about counters in this process: a test tells what time it is."""

import pytest

from tests.clock import Clock
from unique_task import MemoryBackend
from unique_task.backends.counting import KEPT, REMEMBERED, minute_of

RUNS = ("shop.charge", "runs")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def counts(clock: Clock) -> MemoryBackend:
    return MemoryBackend(timer=clock)


def minutes(counts: MemoryBackend, last: int = KEPT) -> dict[int, float]:
    """What was counted, by the minutes that have passed since then."""
    found = counts.counted(last)
    now = minute_of(found.now)
    return {now - row.minute: row.amount for row in found.rows}


def to_the_end_of_the_minute(counts: MemoryBackend, clock: Clock) -> None:
    clock.now += 59.999 - counts.counted(1).now % 60


def test_a_new_minute_counts_anew(counts, clock):
    to_the_end_of_the_minute(counts, clock)
    counts.count("one", {RUNS: 1})
    assert minutes(counts) == {0: 1}

    clock.now += 0.002
    counts.count("two", {RUNS: 2})
    assert minutes(counts) == {1: 1, 0: 2}
    assert minutes(counts, 1) == {0: 2}


def test_a_flush_that_is_repeated_in_the_next_minute_counts_once(counts, clock):
    to_the_end_of_the_minute(counts, clock)
    counts.count("flush", {RUNS: 1})
    clock.now += 0.002
    counts.count("flush", {RUNS: 1})

    assert minutes(counts) == {1: 1}


def test_a_flush_is_remembered_to_the_end_of_its_time(counts, clock):
    counts.count("flush", {RUNS: 1})
    clock.now += REMEMBERED - 0.001
    counts.count("flush", {RUNS: 1})

    assert sum(minutes(counts).values()) == 1


def test_old_minutes_end_by_themselves(counts, clock):
    counts.count("one", {RUNS: 1})
    clock.now += (KEPT - 1) * 60
    assert minutes(counts) == {KEPT - 1: 1}

    clock.now += 60
    assert minutes(counts) == {}
    clock.now += 60
    assert not counts._counters._minutes
