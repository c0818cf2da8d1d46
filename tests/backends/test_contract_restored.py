"""What every store does when a message gets its lock back, or was never replaced."""

from dataclasses import replace

import pytest

from tests.backends.stores import (
    FIRST,
    LONG,
    ONE,
    THREE,
    TWO,
    published,
    reserve,
    start,
    undisturbed,
)
from tests.waiting import wait_until
from unique_task.backends.steps import Acquired, Held, Renewal, Replaced

#: A year in the microseconds that a fence counts.
YEAR = 365 * 24 * 3600 * 1_000_000

# Who never was


def test_a_message_that_nobody_replaced_starts(backend, one):
    assert isinstance(start(backend, ONE, generation=one.fence), Acquired)


def test_the_replacing_message_starts(backend, one, two):
    taken = start(backend, TWO, generation=two.fence)

    assert isinstance(taken, Acquired)
    assert taken.fence > two.fence


def test_the_replacing_message_is_delivered_again_and_not_replaced(backend, one, two):
    start(backend, TWO, generation=two.fence)
    assert isinstance(start(backend, TWO, generation=two.fence), Held)

    backend.release("key", backend.get("key").record.token)
    assert isinstance(start(backend, TWO, generation=two.fence), Acquired)


@pytest.mark.parametrize("bound", [None, LONG])
def test_a_message_that_finds_the_lock_free_was_not_replaced(backend, two, bound):
    backend.release("key", TWO.token)
    three = reserve(backend, THREE, replace_within=bound)

    answer = start(backend, THREE, generation=three.fence)

    assert isinstance(answer, Acquired)


@pytest.mark.parametrize("bound", [None, LONG])
def test_a_message_was_not_replaced_also_if_the_clock_went_back(backend, one, bound):
    # What a clock that was ahead has left.
    ahead = one.fence + YEAR
    backend.release("key", ONE.token)
    backend.renew([Renewal("key", replace(ONE, first=ahead), ahead, 10)])
    two = reserve(backend, TWO)
    backend.release("key", TWO.token)

    three = reserve(backend, THREE, replace_within=bound)

    assert three.fence > two.fence > ahead
    assert start(backend, ONE, generation=ahead) == Replaced("three")
    assert start(backend, THREE, generation=three.fence).fence > three.fence


def test_who_does_not_ask_replaces_nobody_also_if_the_clock_went_back(backend, one):
    ahead = one.fence + YEAR
    backend.release("key", ONE.token)
    backend.renew([Renewal("key", replace(ONE, first=ahead), ahead, 10)])

    assert isinstance(backend.reserve("key", TWO, expire=10), Held)
    assert backend.get("key").record.token == ONE.token


def test_who_could_not_replace_has_replaced_nobody(backend, one):
    assert isinstance(reserve(backend, TWO, replace_within=None), Held)
    assert isinstance(reserve(backend, TWO, replace_within=0), Held)

    assert isinstance(start(backend, ONE, generation=one.fence), Acquired)


def test_who_repeats_its_reservation_did_not_replace_itself(backend, one, two):
    again = reserve(backend, TWO)

    assert (again.fence, again.since) == (two.fence, two.since)
    assert start(backend, ONE, generation=one.fence) == Replaced("two")
    assert isinstance(start(backend, TWO, generation=two.fence), Acquired)


# To give the lock back


def test_a_lock_is_given_back_with_the_time_that_it_had(backend, one):
    before = backend.get("key")
    two = reserve(backend, TWO, expire=100)

    assert backend.restore("key", TWO.token, two.replaced)

    held = backend.get("key")
    assert held.record == before.record
    assert 0 < held.remaining <= before.remaining


def test_a_lock_that_was_given_back_ends_by_time(backend, short):
    def reserve_over(key: str, seconds: float) -> tuple[str, Held | None]:
        reserve(backend, ONE, expire=seconds, key=key)
        return key, reserve(backend, TWO, expire=100, key=key).replaced

    key, replaced = undisturbed(reserve_over, short)
    backend.restore(key, TWO.token, replaced)

    wait_until(lambda: isinstance(backend.acquire(key, FIRST, 10), Acquired), 60)


def test_who_got_the_lock_back_starts(backend, one, two):
    backend.restore("key", TWO.token, two.replaced)

    taken = start(backend, ONE, generation=one.fence)

    assert isinstance(taken, Acquired)
    assert taken.fence > one.fence


def test_who_gave_the_lock_back_does_not_hold_it(backend, one, two):
    backend.restore("key", TWO.token, two.replaced)

    assert isinstance(start(backend, TWO), Held)
    assert not backend.release("key", TWO.token)
    assert backend.get("key").record.token == ONE.token


def test_who_got_the_lock_back_may_be_replaced_by_another(backend, one, two):
    backend.restore("key", TWO.token, two.replaced)

    three = reserve(backend, THREE)

    assert three.replaced.record.token == ONE.token
    assert three.since == (three.fence - one.fence) / 1e6
    assert start(backend, ONE, generation=one.fence) == Replaced("three")
    assert isinstance(start(backend, THREE, generation=three.fence), Acquired)


def test_who_got_the_lock_back_had_replaced_its_own_predecessor(backend, one, two):
    three = reserve(backend, THREE)
    backend.restore("key", THREE.token, three.replaced)

    assert start(backend, ONE, generation=one.fence) == Replaced("two")
    assert isinstance(start(backend, TWO, generation=two.fence), Acquired)


def test_a_lock_is_not_given_back_to_who_has_ended_as_replaced(backend, one, two):
    assert isinstance(start(backend, ONE, generation=one.fence), Replaced)

    assert backend.restore("key", TWO.token, two.replaced)
    assert backend.get("key") is None


def test_a_lock_is_given_back_though_an_earlier_one_has_ended_as_replaced(
    backend, one, two
):
    three = reserve(backend, THREE)
    assert isinstance(start(backend, ONE, generation=one.fence), Replaced)

    assert backend.restore("key", THREE.token, three.replaced)
    assert isinstance(start(backend, TWO, generation=two.fence), Acquired)


def test_a_lock_goes_back_past_those_whose_publish_failed_too(backend, one, two):
    """Three publishes; the second one fails while the third one holds the lock."""
    three = reserve(backend, THREE)

    assert not backend.restore("key", TWO.token, two.replaced)
    assert backend.restore("key", THREE.token, three.replaced)

    assert backend.get("key").record.token == ONE.token
    assert isinstance(start(backend, ONE, generation=one.fence), Acquired)


NO_HOLDERS = {
    "another": THREE.token,
    "the one that was replaced": ONE.token,
    "shorter": TWO.token[:-1],
    "a pattern": ".*",
    "nothing": "",
}


@pytest.mark.parametrize("token", NO_HOLDERS.values(), ids=NO_HOLDERS)
def test_who_does_not_hold_the_lock_gives_nothing_back(backend, one, two, token):
    before = backend.get("key")

    assert not backend.restore("key", token, two.replaced)

    assert backend.get("key").record == before.record
    assert start(backend, ONE, generation=one.fence) == Replaced("two")
    assert isinstance(start(backend, TWO, generation=two.fence), Acquired)


def test_a_message_that_was_delivered_after_all_gives_nothing_back(backend, one, two):
    taken = start(backend, TWO, generation=two.fence)

    assert not backend.restore("key", TWO.token, two.replaced)
    assert backend.get("key").record.fence == taken.fence


def test_who_was_replaced_itself_gives_nothing_back(backend, one, two):
    reserve(backend, THREE)

    assert not backend.restore("key", TWO.token, two.replaced)
    assert backend.get("key").record.token == THREE.token


def test_a_free_lock_is_given_back_to_nobody(backend, one, two):
    backend.release("key", TWO.token)

    assert not backend.restore("key", TWO.token, two.replaced)
    assert backend.get("key") is None
    assert start(backend, ONE, generation=one.fence) == Replaced(None)


def test_a_lock_is_given_back_once(backend, one, two):
    assert backend.restore("key", TWO.token, two.replaced)
    start(backend, ONE)

    assert not backend.restore("key", TWO.token, two.replaced)
    assert backend.get("key").record.state == "running"


def test_a_lock_is_given_back_to_an_awkward_owner(backend, awkward):
    record = replace(published(awkward), task=awkward, worker=awkward)
    fence = backend.reserve("key", record, expire=10).fence
    two = reserve(backend, TWO)

    assert backend.restore("key", TWO.token, two.replaced)
    assert backend.get("key").record == replace(record, fence=fence, first=fence)
    assert isinstance(start(backend, record, generation=fence), Acquired)
