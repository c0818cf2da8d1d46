"""What every store of locks does for a message that takes the place of another."""

import time
from dataclasses import replace
from typing import Any

import pytest

from tests.backends.stores import (
    FIRST,
    LONG,
    ONE,
    REMEMBERED,
    SECOND,
    THREE,
    TWO,
    published,
    redelivered,
    reserve,
    start,
    undisturbed,
)
from tests.waiting import wait_until
from unique_task.backends.steps import (
    Acquired,
    Finished,
    Held,
    Renewal,
    Replaced,
    Reserved,
)

#: A year in the microseconds that a fence counts.
YEAR = 365 * 24 * 3600 * 1_000_000


# Who is replaced


def test_a_later_message_takes_the_place_of_one_that_has_not_started(backend, one):
    before = backend.get("key")

    answer = reserve(backend, TWO, expire=100)

    assert answer.fence > one.fence
    assert answer.replaced.record == before.record
    assert 0 < answer.replaced.remaining <= before.remaining
    held = backend.get("key")
    assert held.record == replace(TWO, fence=answer.fence, first=one.fence)
    assert 10 < held.remaining <= 100


def test_who_may_replace_reserves_a_free_lock(backend):
    answer = reserve(backend, ONE)

    assert answer == Reserved(answer.fence, 0, None)
    fence = answer.fence
    assert backend.get("key").record == replace(ONE, fence=fence, first=fence)


def assert_not_replaced(backend: Any, **how: Any) -> None:
    before = backend.get("key")
    answer = reserve(backend, THREE, expire=100, **how)
    assert isinstance(answer, Held)
    assert answer.record == before.record == backend.get("key").record
    assert 0 < backend.get("key").remaining <= answer.remaining <= before.remaining


def test_who_does_not_ask_for_it_replaces_nobody(backend, one):
    assert_not_replaced(backend, replace_within=None)


def test_a_running_task_is_not_replaced(backend):
    backend.acquire("key", FIRST, expire=10)

    assert_not_replaced(backend)


@pytest.mark.parametrize("keep", [True, False])
def test_a_message_that_has_started_is_not_replaced(backend, one, keep):
    start(backend, ONE, keep_end=keep)

    assert_not_replaced(backend)


def test_an_attempt_is_not_replaced_whatever_its_record_says(backend):
    backend.acquire("key", replace(FIRST, first=1), expire=10)

    assert_not_replaced(backend, replace_within=1e12)


def test_a_message_that_does_not_allow_it_is_not_replaced(backend):
    backend.reserve("key", ONE, expire=10, replaceable=False)

    assert backend.get("key").record.first is None
    assert_not_replaced(backend)


def test_a_message_that_does_not_allow_it_may_itself_replace(backend, one):
    answer = reserve(backend, TWO, replaceable=False)

    assert answer.replaced.record.token == ONE.token
    assert answer.since == (answer.fence - one.fence) / 1e6
    assert_not_replaced(backend)


def test_awkward_texts_are_replaced_and_come_back(backend, awkward):
    record = replace(published(awkward), task=awkward, worker=awkward)
    fence = backend.reserve("key", record, expire=10).fence

    replaced = reserve(backend, TWO).replaced

    assert replaced.record == replace(record, fence=fence, first=fence)


# For how long


def test_a_message_is_replaced_within_a_time_and_not_later(backend, one, short):
    reserved = time.monotonic()
    wait_until(lambda: time.monotonic() > reserved + short)

    assert_not_replaced(backend, replace_within=short)
    assert isinstance(reserve(backend, TWO, replace_within=LONG), Reserved)


def test_the_time_is_counted_from_the_first_that_was_replaced(backend, one, short):
    reserved = time.monotonic()
    wait_until(lambda: time.monotonic() > reserved + short)
    assert isinstance(reserve(backend, TWO), Reserved)

    assert_not_replaced(backend, replace_within=short)


def test_the_time_since_the_first_is_told(backend, one, two):
    three = reserve(backend, THREE)

    assert two.since == (two.fence - one.fence) / 1e6
    assert three.since == (three.fence - one.fence) / 1e6 > two.since
    assert backend.get("key").record.first == one.fence


def test_the_time_starts_anew_when_the_lock_was_free(backend, two):
    backend.release("key", TWO.token)

    assert reserve(backend, THREE).since == 0


@pytest.mark.parametrize("bound", [1e10, float("inf")])
def test_there_may_be_no_bound_to_the_time(backend, one, bound):
    assert isinstance(reserve(backend, TWO, replace_within=bound), Reserved)


def test_a_message_is_replaced_under_a_greater_fence_also_if_the_clock_went_back(
    backend, one
):
    # What a clock that was ahead has left.
    ahead = one.fence + YEAR
    backend.release("key", ONE.token)
    backend.renew([Renewal("key", replace(ONE, first=ahead), ahead, 10)])

    answer = reserve(backend, TWO)

    assert answer.fence > ahead
    assert answer.since >= 0
    assert start(backend, ONE, generation=ahead) == Replaced("two")
    assert start(backend, TWO, generation=answer.fence).fence > answer.fence


# The one that was replaced


def test_who_was_replaced_is_told_so_and_by_whom(backend, one, two):
    assert start(backend, ONE, generation=one.fence) == Replaced("two")
    assert backend.get("key").record.fence == two.fence


def test_all_that_were_replaced_in_turn_are_told_of_the_last(backend, one, two):
    reserve(backend, THREE)

    assert start(backend, ONE, generation=one.fence) == Replaced("three")
    assert start(backend, TWO, generation=two.fence) == Replaced("three")


def test_who_was_replaced_is_told_so_while_the_other_runs(backend, one, two):
    start(backend, TWO, generation=two.fence)

    assert start(backend, ONE, generation=one.fence) == Replaced("two")


@pytest.mark.parametrize("expire", [0, 10])
def test_who_was_replaced_is_told_so_when_the_other_has_run(backend, one, two, expire):
    attempt = redelivered(TWO)
    backend.acquire(
        "key", attempt, 10, take_over_from=[TWO.token], generation=two.fence
    )
    backend.release("key", attempt.token)

    answer = start(backend, ONE, expire=expire, generation=one.fence)

    assert answer == Replaced(None)
    assert backend.get("key") is None


def test_who_was_replaced_is_told_who_came_after_the_other(backend, one, two):
    backend.release("key", TWO.token)
    backend.acquire("key", SECOND, expire=10)

    assert start(backend, ONE, generation=one.fence) == Replaced("second")


def test_who_was_replaced_is_told_so_and_not_a_value(backend, one, two):
    attempt = redelivered(TWO)
    backend.acquire("key", attempt, 10, take_over_from=[TWO.token])
    backend.release("key", attempt.token, value=b"value", fresh_for=10)

    assert start(backend, ONE, generation=one.fence, accept_value=True) == Replaced(
        None
    )


def test_who_was_replaced_is_not_admitted(backend, one, two):
    answer = start(backend, ONE, generation=one.fence, remember_for=REMEMBERED)

    assert answer == Replaced("two")
    assert not start(backend, ONE, remember_for=REMEMBERED).admitted


def test_who_has_finished_is_told_so_and_not_that_it_was_replaced(backend, one, two):
    backend.release("key", ONE.token, finished_for=REMEMBERED)

    answer = start(backend, ONE, generation=one.fence, remember_for=REMEMBERED)

    assert answer == Finished()


def test_who_was_replaced_and_does_not_ask_is_held(backend, two):
    assert isinstance(start(backend, ONE), Held)


def test_it_is_known_for_a_time_and_no_longer_who_was_replaced(backend, short):
    """That is, while the message may be on its way: until its lock would have ended."""

    def reserve_all(key: str, seconds: float) -> tuple[str, int, float]:
        # A store may count in milliseconds.
        ends = time.monotonic() + 4 * seconds - 0.01
        one = reserve(backend, ONE, expire=3 * seconds, key=key)
        for message in (TWO, THREE):
            reserve(backend, message, expire=seconds, remember_for=seconds, key=key)
        return key, one.fence, ends

    key, fence, ends = undisturbed(reserve_all, short)

    def starts() -> bool:
        answer = start(backend, ONE, key=key, generation=fence)
        return isinstance(answer, Acquired)

    wait_until(starts, timeout=60)
    assert time.monotonic() > ends


def test_who_was_replaced_under_another_key_starts(backend, one, two):
    fence = backend.reserve("another", ONE, expire=10).fence

    answer = start(backend, ONE, key="another", generation=fence)

    assert isinstance(answer, Acquired)
