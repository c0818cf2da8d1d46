"""Totals that grow, made of counters that the store forgets after hours."""

import pytest

from tests.metrics.store import counted
from unique_task import LockStoreError
from unique_task.backends.counting import KEPT
from unique_task.backends.memory_counters import MemoryCounters
from unique_task.counting.names import RUNS
from unique_task.operating.totals import Totals

pytest_plugins = "tests.inprocess_fixtures"
pytestmark = pytest.mark.any_celery

MINUTE = 60
WORK = ("work", RUNS)


@pytest.fixture
def totals() -> Totals:
    return Totals()


def looked(totals: Totals, store) -> float:
    totals.look(store)
    return totals.amounts.get(WORK, -1.0)


def test_they_begin_with_0_so_that_a_restart_counts_nothing_again(totals, store):
    counted(store, RUNS, 5)

    assert looked(totals, store) == 0


def test_each_look_adds_what_is_new_in_the_same_minute_and_in_later_ones(
    totals, store, clock
):
    counted(store, RUNS, 5)
    looked(totals, store)
    counted(store, RUNS, 2)
    assert looked(totals, store) == 2

    counted(store, RUNS)
    clock.now += MINUTE
    counted(store, RUNS, 3)
    clock.now += MINUTE

    assert looked(totals, store) == 6
    assert looked(totals, store) == 6


@pytest.mark.parametrize("pause", [10, 3 * MINUTE, 2 * 60 * MINUTE])
def test_they_never_go_back_while_the_store_forgets(totals, store, clock, pause):
    looked(totals, store)
    before = done = 0.0
    end = clock.now + (KEPT + 30) * MINUTE
    while clock.now < end:
        counted(store, RUNS)
        done += 1
        clock.now += pause
        now = looked(totals, store)
        assert now == done >= before
        before = now


def test_a_flush_that_reaches_a_minute_after_its_end_is_added(totals, store, clock):
    looked(totals, store)
    clock.now += MINUTE
    looked(totals, store)

    clock.now -= MINUTE
    counted(store, RUNS, 4)
    clock.now += MINUTE

    assert looked(totals, store) == 4


def test_two_that_look_at_other_times_count_the_same(store, clock):
    one, other = Totals(), Totals()
    for totals in (one, other):
        looked(totals, store)
    for turn in range(20):
        counted(store, RUNS, turn)
        looked(one, store)
        clock.now += 7
        if turn % 5 == 0:
            looked(other, store)

    assert looked(one, store) == looked(other, store) == sum(range(20))


def test_a_store_that_was_emptied_takes_nothing_away(totals, store, clock):
    looked(totals, store)
    counted(store, RUNS, 5)
    assert looked(totals, store) == 5

    store._counters = MemoryCounters(clock)
    counted(store, RUNS)
    assert looked(totals, store) == 5

    counted(store, RUNS, 2)
    assert looked(totals, store) == 7


def test_of_a_look_that_fails_nothing_is_added_and_the_next_adds_all(totals, store):
    looked(totals, store)
    counted(store, RUNS, 5)
    store.away = True
    with pytest.raises(LockStoreError):
        totals.look(store)

    store.away = False

    assert looked(totals, store) == 5
