"""What every store does with what each of several holders of a lock leaves behind."""

from dataclasses import replace
from typing import Any

from tests.backends.stores import (
    FIRST,
    LEASE,
    REMEMBERED,
    SECOND,
    record_of,
    records,
    redelivered,
    take_some,
)
from unique_task.backends.base import Backend
from unique_task.backends.record import Record
from unique_task.backends.steps import (
    Acquired,
    Finished,
    Heir,
    Held,
    Leaving,
    Renewal,
    Renewed,
)


def arrive(backend: Backend, record: Record, *over: str) -> Any:
    how: Any = {"remember_for": REMEMBERED, "take_over_from": over, "limit": 2}
    return backend.acquire("key", record, LEASE, **how)


def test_each_attempt_is_known_again_and_no_other(several):
    arrive(several, FIRST)
    arrive(several, SECOND)

    again = arrive(several, redelivered(FIRST))
    assert isinstance(again, Held) and again.admitted
    third = arrive(several, record_of("third"))
    assert isinstance(third, Held) and not third.admitted


def test_a_place_is_taken_over_by_the_next_delivery(several):
    first = arrive(several, FIRST)
    arrive(several, SECOND)

    again = arrive(several, redelivered(FIRST), FIRST.token)

    assert isinstance(again, Acquired) and again.admitted
    assert again.fence > first.fence
    assert not several.release("key", FIRST.token, limit=2)


def test_each_attempt_finishes_for_itself(several):
    arrive(several, FIRST)
    arrive(several, SECOND)
    how: Any = {"finished_for": REMEMBERED, "limit": 2}

    assert several.release("key", FIRST.token, **how)

    assert arrive(several, redelivered(FIRST)) == Finished()
    again = arrive(several, redelivered(SECOND), SECOND.token)
    assert isinstance(again, Acquired) and again.admitted


def test_each_attempt_leaves_for_itself(several):
    taken = arrive(several, FIRST)
    arrive(several, SECOND)
    leaving = Leaving(replace(FIRST, fence=taken.fence), LEASE)

    assert several.release("key", FIRST.token, leaving=leaving, limit=2)

    met = arrive(several, redelivered(FIRST))
    assert isinstance(met, Held) and met.admitted
    assert met.record == leaving.record
    again = Renewal("key", FIRST, taken.fence, 2 * LEASE, leaving=True, limit=2)
    assert several.renew([again]) == [Renewed.HELD]
    assert isinstance(arrive(several, record_of("third")), Acquired)


def test_a_renewal_remembers_its_attempt_again(several):
    taken = several.acquire("key", FIRST, LEASE, limit=2)
    several.renew([Renewal("key", FIRST, taken.fence, LEASE, REMEMBERED, limit=2)])

    again = arrive(several, redelivered(FIRST), FIRST.token)

    assert isinstance(again, Acquired) and again.admitted


def test_an_heir_gets_the_place_and_the_fence_of_its_own(several):
    first, second = take_some(several, 2, 2)
    heir = Heir(record_of("heir"), 5 * LEASE)

    assert several.release("key", first.token, heir=heir, limit=2)

    last = replace(heir.record, fence=first.fence)
    assert records(several.holders("key")) == [second, last]
    assert isinstance(several.acquire("key", FIRST, LEASE, limit=2), Held)
    assert several.release("key", heir.record.token, limit=2)


def test_the_heir_of_the_last_holder_holds_the_lock(several):
    [first] = take_some(several, 1, 2)
    heir = Heir(record_of("heir"), LEASE)

    assert several.release("key", first.token, heir=heir, limit=2)
    assert several.get("key").record == replace(heir.record, fence=first.fence)


def test_there_is_no_heir_of_who_held_nothing(several):
    taken = take_some(several, 1, 2)
    heir = Heir(record_of("heir"), LEASE)

    assert not several.release("key", FIRST.token, heir=heir, limit=2)
    assert records(several.holders("key")) == taken
