"""What every store that can does with a lock that several may hold."""

import time
from dataclasses import replace

import pytest

from tests.backends.stores import (
    FIRST,
    LEASE,
    SECOND,
    record_of,
    records,
    take_some,
    undisturbed,
)
from tests.waiting import wait_until
from unique_task.backends.record import Record
from unique_task.backends.steps import (
    Acquired,
    Held,
    Renewal,
    Renewed,
)

# Taking one of its places


@pytest.mark.parametrize("limit", [2, 7])
def test_no_more_than_the_limit_hold_a_lock(several, limit):
    taken = take_some(several, limit, limit)

    refused = several.acquire("key", FIRST, LEASE, limit=limit)

    assert isinstance(refused, Held)
    assert records(several.holders("key")) == taken


def test_who_is_refused_hears_of_the_holder_that_ends_first(several):
    several.acquire("key", FIRST, 3 * LEASE, limit=3)
    soonest = several.acquire("key", SECOND, LEASE, limit=3)
    several.acquire("key", record_of("third"), 2 * LEASE, limit=3)

    refused = several.acquire("key", record_of("fourth"), LEASE, limit=3)

    assert refused.record == replace(SECOND, fence=soonest.fence)
    assert 0 < refused.remaining <= LEASE
    assert several.get("key").record == refused.record


def test_holders_tells_all_of_them_in_the_order_in_which_they_end(several):
    several.acquire("key", FIRST, 3 * LEASE, limit=3)
    several.acquire("key", SECOND, LEASE, limit=3)

    first, last = several.holders("key")

    assert (first.record.owner, last.record.owner) == ("second", "first")
    assert 0 < first.remaining <= LEASE and 2 * LEASE < last.remaining <= 3 * LEASE


def test_a_free_lock_has_no_holders(backend):
    assert backend.holders("key") == []


def test_a_lock_of_one_has_one_holder(backend):
    taken = backend.acquire("key", FIRST, expire=10)

    [held] = backend.holders("key")

    assert held.record == replace(FIRST, fence=taken.fence)
    assert 0 < held.remaining <= 10


def test_a_holder_that_asks_again_has_the_place_it_had(several):
    taken = several.acquire("key", FIRST, LEASE, limit=2)
    several.acquire("key", SECOND, LEASE, limit=2)

    assert several.acquire("key", FIRST, LEASE, limit=2) == taken
    assert len(several.holders("key")) == 2


def test_another_key_has_places_of_its_own(several):
    take_some(several, 2, 2)

    assert isinstance(several.acquire("another", FIRST, LEASE, limit=2), Acquired)
    assert len(several.holders("key")) == 2


def test_keys_that_begin_alike_have_places_of_their_own(several):
    take_some(several, 2, 2)

    for key in ("ke", "key2", "key:", "key:lock", "Key", "key%", "k_y"):
        assert several.get(key) is None
        assert isinstance(several.acquire(key, FIRST, LEASE, limit=2), Acquired)
    assert len(several.holders("key")) == 2


def test_fences_grow_over_all_holders_and_limits(several):
    fences = []
    for turn in range(60):
        limit = (3, 1, 2)[turn % 3]
        record = record_of(f"task-{turn}")
        answer = several.acquire("key", record, LEASE, limit=limit)
        while isinstance(answer, Held):
            several.release("key", answer.record.token, limit=limit)
            answer = several.acquire("key", record, LEASE, limit=limit)
        fences.append(answer.fence)

    assert fences == sorted(set(fences))


def test_awkward_owners_hold_a_lock_together(several, awkward):
    first, second = record_of(awkward), record_of(awkward)
    for record in (first, second):
        assert isinstance(several.acquire("key", record, LEASE, limit=2), Acquired)

    assert {held.record.owner for held in several.holders("key")} == {awkward}
    assert several.release("key", first.token, limit=2)
    assert [held.record.token for held in several.holders("key")] == [second.token]


def test_an_awkward_key_has_several_holders(several, awkward):
    several.acquire(awkward, FIRST, LEASE, limit=2)
    several.acquire(awkward, SECOND, 2 * LEASE, limit=2)

    assert isinstance(several.acquire(awkward, record_of("x"), 9, limit=2), Held)
    owners = [held.record.owner for held in several.holders(awkward)]
    assert owners == ["first", "second"]


# Leaving it


def test_who_releases_makes_room_for_one(several):
    taken = take_some(several, 3, 3)

    assert several.release("key", taken[1].token, limit=3)
    assert isinstance(several.acquire("key", FIRST, LEASE, limit=3), Acquired)
    assert isinstance(several.acquire("key", SECOND, LEASE, limit=3), Held)


def test_a_place_is_released_once_and_by_its_holder(several):
    taken = take_some(several, 2, 2)

    assert not several.release("key", FIRST.token, limit=2)
    assert several.release("key", taken[0].token, limit=2)
    assert not several.release("key", taken[0].token, limit=2)
    assert records(several.holders("key")) == taken[1:]


def test_the_lock_is_free_when_the_last_one_leaves(several):
    for record in take_some(several, 3, 3):
        assert several.release("key", record.token, limit=3)

    assert several.get("key") is None
    assert several.holders("key") == []
    assert isinstance(several.acquire("key", FIRST, LEASE), Acquired)


def test_a_holder_whose_time_is_over_makes_room(several, short):
    asked = time.monotonic()
    several.acquire("key", FIRST, short, limit=2)
    several.acquire("key", SECOND, LEASE, limit=2)

    third = record_of("third")
    wait_until(
        lambda: isinstance(several.acquire("key", third, LEASE, limit=2), Acquired)
    )

    # A store may count in milliseconds.
    assert time.monotonic() - asked > short - 0.002
    assert {held.record.owner for held in several.holders("key")} == {"second", "third"}
    assert not several.release("key", FIRST.token, limit=2)


def test_the_lock_is_free_when_the_time_of_all_is_over(several, short):
    several.acquire("key", FIRST, short, limit=2)
    several.acquire("key", SECOND, short / 2, limit=2)

    wait_until(lambda: several.get("key") is None)

    assert several.holders("key") == []
    assert isinstance(several.acquire("key", record_of("third"), LEASE), Acquired)


# Holding on to it


def renewal(record: Record, expire: float, limit: int = 2) -> Renewal:
    return Renewal("key", record, record.fence, expire, limit=limit)


def test_each_holder_renews_its_own_place(several):
    first, second = take_some(several, 2, 2)

    assert several.renew([renewal(first, 5 * LEASE)]) == [Renewed.HELD]

    held = several.holders("key")
    assert records(held) == [second, first]
    assert 4 * LEASE < held[1].remaining <= 5 * LEASE
    assert held[0].remaining <= LEASE + 10


def test_holders_of_one_lock_and_of_others_are_renewed_together(several):
    first, second = take_some(several, 2, 2)
    alone = several.acquire("alone", FIRST, LEASE)
    several.acquire("of another", SECOND, LEASE)

    outcomes = several.renew(
        [
            renewal(second, 5 * LEASE),
            Renewal("alone", FIRST, alone.fence, 5 * LEASE),
            Renewal("of another", FIRST, 1, 5 * LEASE),
            renewal(first, 5 * LEASE),
            Renewal("vanished", FIRST, 1, 5 * LEASE, limit=2),
        ]
    )

    held, taken, retaken = Renewed.HELD, Renewed.TAKEN, Renewed.RETAKEN
    assert outcomes == [held, held, taken, held, retaken]
    assert all(held.remaining > 4 * LEASE for held in several.holders("key"))


def test_a_lock_stands_as_long_as_the_place_that_was_renewed(several, short):
    def renewed(key: str, seconds: float) -> str:
        several.acquire(key, FIRST, seconds, limit=2)
        fence = several.acquire(key, SECOND, seconds, limit=2).fence
        several.renew([Renewal(key, SECOND, fence, LEASE, limit=2)])
        return key

    key = undisturbed(renewed, short)
    wait_until(lambda: len(several.holders(key)) == 1)

    assert isinstance(several.acquire(key, FIRST, LEASE), Held)


def test_a_place_that_vanished_is_taken_again_if_there_is_room(several):
    first, second = take_some(several, 2, 2)
    several.release("key", first.token, limit=2)

    assert several.renew([renewal(first, LEASE)]) == [Renewed.RETAKEN]
    assert records(several.holders("key")) == [first, second]


def test_a_place_that_vanished_is_taken_again_though_others_came_since(several):
    first, _ = take_some(several, 2, 3)
    several.release("key", first.token, limit=3)
    third = several.acquire("key", FIRST, LEASE, limit=3)

    assert several.renew([renewal(first, LEASE, limit=3)]) == [Renewed.RETAKEN]
    assert len(several.holders("key")) == 3
    assert several.release("key", FIRST.token, limit=3)
    assert several.acquire("key", SECOND, LEASE, limit=3).fence > third.fence


def test_a_place_that_another_took_is_lost(several):
    first, second = take_some(several, 2, 2)
    several.release("key", first.token, limit=2)
    several.acquire("key", FIRST, LEASE, limit=2)

    assert several.renew([renewal(first, LEASE)]) == [Renewed.TAKEN]
    owners = {held.record.owner for held in several.holders("key")}
    assert owners == {"first", second.owner}


def test_a_lock_that_vanished_as_a_whole_is_taken_again_by_all(several):
    first, second = take_some(several, 2, 2)
    for record in (first, second):
        several.release("key", record.token, limit=2)

    assert several.renew([renewal(one, LEASE) for one in (second, first)]) == [
        Renewed.RETAKEN,
        Renewed.RETAKEN,
    ]
    assert len(several.holders("key")) == 2
    assert isinstance(several.acquire("key", FIRST, LEASE, limit=2), Held)
