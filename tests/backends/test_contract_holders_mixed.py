"""What every store does where those who ask for a lock have different limits.

As in a rolling deploy: the limit of whoever asks counts for that one.
"""

from dataclasses import replace
from typing import Any

import pytest

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
from unique_task.backends.steps import (
    Acquired,
    Heir,
    Held,
    Renewal,
    Renewed,
    Replaced,
    Reserved,
    Stored,
)

THIRD = record_of("third")


def take_alone(backend: Backend) -> Any:
    """The first task has the lock, and is the only one that may."""
    taken = backend.acquire("key", FIRST, LEASE)
    assert isinstance(taken, Acquired)
    return replace(FIRST, fence=taken.fence)


# One that wants to be alone


def test_who_wants_the_lock_alone_does_not_get_it_beside_others(several):
    taken = take_some(several, 2, 3)

    refused = several.acquire("key", FIRST, LEASE)

    assert isinstance(refused, Held) and refused.record == taken[0]
    assert records(several.holders("key")) == taken


def test_who_wants_the_lock_alone_does_not_get_it_beside_one(several):
    [holder] = take_some(several, 1, 3)

    assert several.acquire("key", FIRST, LEASE).record == holder
    assert several.reserve("key", published("message"), LEASE).record == holder
    assert several.get("key").record == holder


def test_it_gets_it_when_the_last_of_them_has_left(several):
    *_, last = taken = take_some(several, 2, 2)
    for record in taken:
        several.release("key", record.token, limit=2)

    alone = several.acquire("key", FIRST, LEASE)

    assert alone.fence > last.fence
    assert records(several.holders("key")) == [replace(FIRST, fence=alone.fence)]
    assert isinstance(several.acquire("key", SECOND, LEASE), Held)


def test_it_gets_it_again_if_it_was_one_of_them(several):
    first, _ = take_some(several, 2, 2)

    assert several.acquire("key", first, LEASE) == Acquired(first.fence)
    assert len(several.holders("key")) == 2


def test_it_takes_over_from_the_only_one_and_is_alone(several):
    [dead] = take_some(several, 1, 2)

    taken = several.acquire("key", FIRST, LEASE, take_over_from=[dead.token])

    assert taken.fence > dead.fence
    assert isinstance(several.acquire("key", SECOND, LEASE), Held)
    assert several.release("key", FIRST.token)
    assert several.get("key") is None


def test_it_passes_through_where_it_takes_over_from_the_only_one(several):
    [dead] = take_some(several, 1, 2)

    taken = several.acquire("key", FIRST, 0, take_over_from=[dead.token])

    assert taken.fence > dead.fence
    assert several.get("key") is None


def test_a_message_does_not_replace_one_of_several(several):
    [holder] = take_some(several, 1, 2)

    answer = several.reserve("key", published("message"), LEASE, replace_within=1e6)

    assert isinstance(answer, Held) and answer.record == holder


def test_a_message_that_was_replaced_hears_it_also_beside_several(several):
    one, two = published("one"), published("two")
    reserved = several.reserve("key", one, LEASE)
    several.reserve("key", two, LEASE, replace_within=1e6, remember_for=LEASE)
    several.release("key", two.token)
    [holder] = take_some(several, 1, 2)

    how: Any = {"take_over_from": [one.token], "generation": reserved.fence}
    answer = several.acquire("key", redelivered(one), LEASE, **how)

    assert answer == Replaced(holder.owner)


def test_a_value_is_handed_out_beside_several(several):
    take_alone(several)
    several.release("key", FIRST.token, value=b"value", fresh_for=LEASE)
    take_some(several, 1, 2)

    answer = several.acquire("key", SECOND, LEASE, accept_value=True)

    assert answer == Stored(b"value")
    assert several.reserve("key", SECOND, LEASE, accept_value=True) == answer


# Others beside the one that was alone


def test_who_may_share_gets_the_lock_beside_one_that_has_it_alone(several):
    first = take_alone(several)

    taken = several.acquire("key", SECOND, 2 * LEASE, limit=2)

    assert taken.fence > first.fence
    second = replace(SECOND, fence=taken.fence)
    assert records(several.holders("key")) == [first, second]
    assert several.holders("key")[0].remaining <= LEASE
    assert isinstance(several.acquire("key", THIRD, LEASE, limit=2), Held)


def test_a_message_reserves_a_place_beside_one_that_has_it_alone(several):
    first = take_alone(several)

    reserved = several.reserve("key", SECOND, LEASE, limit=2)

    assert isinstance(reserved, Reserved)
    assert reserved.fence > first.fence
    assert isinstance(several.reserve("key", THIRD, LEASE, limit=2), Held)


def test_who_had_it_alone_gets_it_again(several):
    first = take_alone(several)
    several.acquire("key", SECOND, LEASE, limit=2)

    assert several.acquire("key", FIRST, LEASE) == Acquired(first.fence)


def test_who_had_it_alone_holds_on_to_it(several):
    first = take_alone(several)
    second = several.acquire("key", SECOND, 2 * LEASE, limit=2)

    renewal = Renewal("key", FIRST, first.fence, 5 * LEASE)
    assert several.renew([renewal]) == [Renewed.HELD]

    mine = replace(SECOND, fence=second.fence)
    assert records(several.holders("key")) == [mine, first]
    assert several.holders("key")[1].remaining > 4 * LEASE


def test_who_had_it_alone_releases_its_place_only(several):
    take_alone(several)
    several.acquire("key", SECOND, LEASE, limit=2)

    assert several.release("key", FIRST.token)
    assert not several.release("key", FIRST.token)
    assert [held.record.owner for held in several.holders("key")] == ["second"]
    assert several.release("key", SECOND.token, limit=2)
    assert several.get("key") is None


def test_who_had_it_alone_leaves_its_place_to_an_heir(several):
    first = take_alone(several)
    several.acquire("key", SECOND, LEASE, limit=2)

    heir = Heir(THIRD, 5 * LEASE)
    assert several.release("key", FIRST.token, heir=heir)

    last = several.holders("key")[1].record
    assert last == replace(THIRD, fence=first.fence)


def test_who_had_it_alone_is_taken_over(several):
    first = take_alone(several)

    how: Any = {"take_over_from": [FIRST.token], "limit": 2}
    taken = several.acquire("key", SECOND, LEASE, **how)

    assert taken.fence > first.fence
    assert [held.record.owner for held in several.holders("key")] == ["second"]
    assert several.renew([Renewal("key", FIRST, first.fence, LEASE)]) == [Renewed.TAKEN]


def test_who_shares_a_lock_that_one_wants_alone_stays_what_it_is(several):
    first, second = take_some(several, 2, 2)
    several.acquire("key", FIRST, LEASE)

    renewals = [
        Renewal("key", one, one.fence, LEASE, limit=2) for one in (first, second)
    ]
    assert several.renew(renewals) == [Renewed.HELD, Renewed.HELD]


@pytest.mark.parametrize("limit", [1, 2])
def test_a_lock_that_vanished_is_not_taken_again_beside_too_many(several, limit):
    first = take_alone(several)
    several.release("key", FIRST.token)
    take_some(several, limit, 2)

    renewal = Renewal("key", FIRST, first.fence, LEASE, limit=limit)
    assert several.renew([renewal]) == [Renewed.TAKEN]
    assert len(several.holders("key")) == limit


def test_a_place_that_vanished_is_taken_again_beside_one_that_is_alone(several):
    [shared] = take_some(several, 1, 2)
    several.release("key", shared.token, limit=2)
    alone = take_alone(several)

    renewal = Renewal("key", shared, shared.fence, 5 * LEASE, limit=2)
    assert several.renew([renewal]) == [Renewed.RETAKEN]
    assert records(several.holders("key")) == [alone, shared]


# A limit that was changed


def test_a_lower_limit_waits_until_fewer_hold_the_lock(several):
    first, second, third = take_some(several, 3, 3)

    assert isinstance(several.acquire("key", FIRST, LEASE, limit=2), Held)
    several.release("key", first.token, limit=3)
    assert isinstance(several.acquire("key", FIRST, LEASE, limit=2), Held)
    several.release("key", second.token, limit=3)
    assert isinstance(several.acquire("key", FIRST, LEASE, limit=2), Acquired)


def test_a_higher_limit_gets_in_at_once(several):
    take_some(several, 2, 2)

    assert isinstance(several.acquire("key", FIRST, LEASE, limit=3), Acquired)
    assert len(several.holders("key")) == 3


def test_who_passes_through_beside_one_that_has_it_alone_leaves_that_one(several):
    alone = several.acquire("key", FIRST, LEASE)

    passed = several.acquire("key", SECOND, 0, limit=2)

    assert isinstance(passed, Acquired) and passed.fence > alone.fence
    [held] = several.holders("key")
    assert held.record == replace(FIRST, fence=alone.fence)
    assert several.release("key", FIRST.token)
