"""Figures of a hot key: what a round says of its runs, and a round on real workers."""

import pytest

from benchmarks.hot_key import LONG, RANDOM, SHORT, measure_round, random_lengths
from benchmarks.hot_round import Round, Run, WrongRuns
from benchmarks.row import at_least
from benchmarks.stage import Stage


def a_round(*runs: tuple[float, float], let_go: float = 0.0, arrivals: int = 0):
    """A round of calls that ran from when to when, in the order of publishing."""
    numbered = [Run(call, *times) for call, times in enumerate(runs)]
    return Round(let_go, numbered, arrivals)


def test_a_key_is_in_use_while_a_body_runs():
    found = a_round((10, 12), (13, 14), (17, 18))

    assert found.makespan == 8
    assert found.in_use == 0.5


def test_a_key_whose_runs_follow_at_once_is_always_in_use():
    assert a_round((10, 11), (11, 12)).in_use == 1


def test_time_before_the_first_run_is_no_part_of_the_makespan():
    assert a_round((10, 11), let_go=0).in_use == 1


def test_arrivals_are_those_of_one_run():
    assert a_round((0, 1), (1, 2), arrivals=5).arrivals_a_run == 2.5


def test_calls_that_run_in_order_and_at_once_wait_as_in_order():
    found = a_round((5, 6), (6, 8), (8, 9), let_go=5)

    assert found.longest_wait == 3
    assert found.longest_over_in_order == 1
    assert found.worst_over_in_order == 1


def test_the_longest_wait_is_that_of_anyone():
    """In order, the last one of three waits 4 s; here the second one waits 6 s."""
    found = a_round((0, 2), (6, 8), (4, 6))

    assert found.longest_wait == 6
    assert found.longest_over_in_order == 1.5


def test_the_worst_wait_is_that_of_the_call_that_lost_most():
    """The second one waits three times as long as in order, the third one does not."""
    found = a_round((0, 2), (6, 8), (4, 6))

    assert found.worst_over_in_order == 3


def test_a_wait_that_would_be_short_in_order_is_no_worst_one():
    """Half a second in order, and 2.5 s: a ratio of 5 that nobody minds."""
    found = a_round((0, 0.5), (2.5, 3), (1.5, 2.5))

    assert found.worst_over_in_order == 1.5


def test_a_round_in_which_bodies_ran_at_once_is_an_error():
    with pytest.raises(WrongRuns, match="at once"):
        a_round((0, 2), (1, 3))


@pytest.mark.parametrize("calls", [(0, 0), (0, 2)])
def test_a_round_in_which_calls_did_not_run_once_each_is_an_error(calls):
    with pytest.raises(WrongRuns, match="not one run of each call"):
        Round(0, [Run(call, 2 * at, 2 * at + 1) for at, call in enumerate(calls)], 2)


def test_a_key_that_is_free_while_calls_wait_misses_the_goal():
    """Before three of 100 calls, nobody runs for a second and a half."""
    gaps = {30: 1.5, 60: 1.5, 90: 1.5}
    runs, now = [], 0.0
    for call in range(100):
        now += gaps.get(call, 0)
        runs.append((now, now + 0.1))
        now += 0.1

    assert at_least(0.85).verdict(a_round(*runs).in_use) == "missed by 19%"


def test_random_lengths_are_the_same_each_time_and_have_the_mean():
    lengths = random_lengths(100, mean=0.5)

    assert lengths == random_lengths(100, mean=0.5) == RANDOM.lengths
    assert sum(lengths) == pytest.approx(50)
    assert len(set(lengths)) > 90


def test_a_quick_bench_makes_fewer_calls():
    assert len(SHORT.calls(quick=False)) == 100
    assert LONG.calls(quick=True) == [(0, 1.0), (1, 1.0), (2, 1.0), (3, 1.0)]


def test_each_call_of_a_round_runs_once_and_each_of_its_arrivals_counts():
    with Stage(pairs=1) as stage:
        lane = stage.lane("prefork", "hot_app", (1, 1))

        found = measure_round(stage, lane, [(0, 1), (1, 0.1), (2, 0.1)])

    assert [run.call for run in found.runs] == [0, 1, 2]
    assert all(run.length >= 0.1 for run in found.runs)
    # Each worker begins with a call, and one of them has to come back.
    assert found.arrivals > 3
    assert found.let_go < min(run.began for run in found.runs)
