"""What every store does for those who hand on one of several places of a lock."""

from dataclasses import replace
from typing import Any

from tests.backends.stores import (
    FIRST,
    LEASE,
    SECOND,
    published,
    record_of,
    records,
    redelivered,
    take_some,
)
from unique_task.backends.base import Backend
from unique_task.backends.record import Record
from unique_task.backends.steps import Acquired, Held, Reserved

MESSAGE = published("message")

# Over from the dead


def test_who_takes_over_needs_no_room(several):
    dead, other = take_some(several, 2, 2)

    taken = several.acquire(
        "key", FIRST, 5 * LEASE, take_over_from=[dead.token], limit=2
    )

    assert taken.fence > other.fence
    mine = replace(FIRST, fence=taken.fence)
    assert records(several.holders("key")) == [other, mine]


def test_who_takes_over_from_many_has_one_place(several):
    *dead, other = take_some(several, 3, 3)
    over = [one.token for one in dead]

    taken = several.acquire("key", FIRST, 5 * LEASE, take_over_from=over, limit=3)

    mine = replace(FIRST, fence=taken.fence)
    assert records(several.holders("key")) == [other, mine]
    assert isinstance(several.acquire("key", SECOND, LEASE, limit=3), Acquired)


def test_a_place_is_taken_over_once(several):
    dead, _ = take_some(several, 2, 2)
    how: Any = {"take_over_from": [dead.token], "limit": 2}
    taken = several.acquire("key", FIRST, LEASE, **how)

    assert several.acquire("key", FIRST, LEASE, **how) == taken
    assert isinstance(several.acquire("key", SECOND, LEASE, **how), Held)


def test_who_names_nobody_that_holds_it_needs_room(several):
    taken = take_some(several, 2, 2)
    how: Any = {"take_over_from": [record_of("nobody").token], "limit": 2}

    assert isinstance(several.acquire("key", FIRST, LEASE, **how), Held)
    assert records(several.holders("key")) == taken


def test_a_token_takes_over_from_itself_to_wait_for_longer(several):
    first, second = take_some(several, 2, 2)

    how: Any = {"take_over_from": [first.token], "limit": 2}
    taken = several.acquire("key", first, 5 * LEASE, **how)

    assert taken.fence > second.fence
    assert len(several.holders("key")) == 2
    assert several.holders("key")[1].record.token == first.token


def test_a_place_is_taken_over_also_where_the_limit_was_lowered(several):
    """Else three that wait for their start would keep each other out for ever."""
    first, second, third = take_some(several, 3, 3)

    how: Any = {"take_over_from": [first.token], "limit": 1}

    assert isinstance(several.acquire("key", FIRST, LEASE, **how), Acquired)
    assert len(several.holders("key")) == 3


# At publish


def reserve_place(
    backend: Backend, record: Record, limit: int = 2, expire: float = LEASE
) -> Any:
    return backend.reserve("key", record, expire, replaceable=False, limit=limit)


def test_reservations_are_counted_as_holders_are(several):
    first = reserve_place(several, FIRST)
    second = several.acquire("key", SECOND, LEASE, limit=2)

    refused = reserve_place(several, MESSAGE)

    assert isinstance(first, Reserved) and second.fence > first.fence
    assert (first.since, first.replaced) == (0, None)
    assert isinstance(refused, Held) and refused.record.owner == "first"
    assert refused.record.first is None


def test_a_reservation_whose_answer_was_lost_may_be_repeated(several):
    reserve_place(several, SECOND)
    reserved = reserve_place(several, FIRST)

    assert reserve_place(several, FIRST).fence == reserved.fence
    assert len(several.holders("key")) == 2


def test_a_reserved_place_is_taken_over_at_start(several):
    reserve_place(several, MESSAGE)
    take_some(several, 1, 2)

    how: Any = {"take_over_from": [MESSAGE.token], "limit": 2}
    taken = several.acquire("key", redelivered(MESSAGE), LEASE, **how)

    assert isinstance(taken, Acquired)
    assert not several.release("key", MESSAGE.token, limit=2)
    assert len(several.holders("key")) == 2


def test_who_keeps_the_end_has_its_place_as_long_as_it_was_reserved(several):
    reserve_place(several, FIRST, expire=3 * LEASE)
    reserve_place(several, MESSAGE, expire=LEASE)

    how: Any = {"take_over_from": [MESSAGE.token], "keep_end": True, "limit": 2}
    several.acquire("key", redelivered(MESSAGE), 9 * LEASE, **how)

    [mine, _] = several.holders("key")
    assert mine.record.owner == "message"
    assert 0 < mine.remaining <= LEASE


# Passing through


def test_who_passes_through_holds_no_place(several):
    taken = take_some(several, 1, 2)

    answer = several.acquire("key", FIRST, 0, limit=2)

    assert answer.fence > taken[0].fence
    assert records(several.holders("key")) == taken
    assert several.acquire("key", SECOND, LEASE, limit=2).fence > answer.fence


def test_who_passes_through_a_free_lock_leaves_it_free(several):
    assert isinstance(several.acquire("key", FIRST, 0, limit=2), Acquired)

    assert several.get("key") is None
    assert isinstance(several.acquire("key", SECOND, LEASE), Acquired)


def test_who_passes_through_frees_its_own_reservation(several):
    reserve_place(several, MESSAGE)
    taken = take_some(several, 1, 2)

    how: Any = {"take_over_from": [MESSAGE.token], "limit": 2}

    assert isinstance(several.acquire("key", redelivered(MESSAGE), 0, **how), Acquired)
    assert records(several.holders("key")) == taken


def test_the_last_one_that_passes_through_leaves_the_lock_free(several):
    reserve_place(several, MESSAGE)

    how: Any = {"take_over_from": [MESSAGE.token], "limit": 2}
    several.acquire("key", redelivered(MESSAGE), 0, **how)

    assert several.get("key") is None
    assert isinstance(several.acquire("key", FIRST, LEASE), Acquired)


def test_nobody_passes_through_a_lock_without_room(several):
    taken = take_some(several, 2, 2)

    assert isinstance(several.acquire("key", FIRST, 0, limit=2), Held)
    assert records(several.holders("key")) == taken
