"""What every store does when somebody else releases the lock of a run that lives."""

from dataclasses import replace

import pytest

from tests.backends.stores import (
    FIRST,
    LEASE,
    OTHERS,
    REMEMBERED,
    SECOND,
    record_of,
    records,
    redelivered,
    take_some,
)
from tests.waiting import wait_until
from unique_task.backends.base import Backend
from unique_task.backends.record import Record
from unique_task.backends.steps import (
    Acquired,
    Finished,
    Heir,
    Held,
    Release,
    ReleasedBy,
    Renewal,
    RenewAnswer,
    Renewed,
    Tombstone,
)

ANN = ReleasedBy("ann@mill")

#: A fence above all others: nobody has taken the lock since.
LATEST = 2**52


def bury(
    backend: Backend,
    record: Record = FIRST,
    *,
    key: str = "key",
    limit: int = 1,
    by: str = ANN.name,
    seconds: float = LEASE,
) -> bool:
    """Release the lock of a run in the name of somebody else."""
    tombstone = Tombstone(by, seconds)
    return backend.release_as(
        Release(key, record.token, limit=limit, tombstone=tombstone)
    )


def renew(
    backend: Backend, record: Record = FIRST, *, key: str = "key", limit: int = 1
) -> RenewAnswer:
    [answer] = backend.renew([Renewal(key, record, LATEST, LEASE, limit=limit)])
    return answer


def test_its_token_does_not_take_it_again_and_hears_who_released_it(backend):
    backend.acquire("key", FIRST, LEASE)

    assert bury(backend)
    assert backend.get("key") is None
    assert renew(backend) == renew(backend) == ANN
    assert backend.get("key") is None
    assert backend.released_by("key", FIRST.token) == "ann@mill"


def test_who_takes_it_next_is_not_disturbed(backend):
    backend.acquire("key", FIRST, LEASE)
    bury(backend)
    taken = backend.acquire("key", SECOND, LEASE)

    assert renew(backend) == ANN
    assert not backend.release("key", FIRST.token)
    assert not bury(backend)
    assert backend.get("key").record == replace(SECOND, fence=taken.fence)
    assert renew(backend, SECOND) is Renewed.HELD


def test_the_heir_of_a_lock_that_was_released_does_not_get_it(backend):
    backend.acquire("key", FIRST, LEASE)
    bury(backend)

    assert not backend.release("key", FIRST.token, heir=Heir(SECOND, LEASE))
    assert backend.get("key") is None


def test_its_value_is_not_kept_for_others(backend):
    backend.acquire("key", FIRST, LEASE)
    bury(backend)

    assert not backend.release("key", FIRST.token, value=b"old", fresh_for=LEASE)
    answer = backend.acquire("key", SECOND, LEASE, accept_value=True)
    assert isinstance(answer, Acquired)


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_other_attempts_take_theirs_again(backend, other):
    backend.acquire("key", FIRST, LEASE)
    bury(backend)

    assert renew(backend, other) is Renewed.RETAKEN


def test_the_locks_of_other_keys_are_taken_again(backend):
    backend.acquire("key", FIRST, LEASE)
    bury(backend)

    assert renew(backend, key="another") is Renewed.RETAKEN


def test_a_lock_that_has_vanished_is_not_taken_again_either(backend):
    """The store has restarted, or the holder is stalled, when it is released."""
    assert not bury(backend)

    assert renew(backend) == ANN


def test_the_lock_of_a_successor_is_not_freed(backend):
    backend.acquire("key", SECOND, LEASE)

    assert not bury(backend)
    assert backend.get("key").record.token == SECOND.token
    assert renew(backend) == ANN


def test_a_lock_that_nobody_released_was_released_by_nobody(backend):
    backend.acquire("key", FIRST, LEASE)
    backend.release("key", FIRST.token)

    assert backend.released_by("key", FIRST.token) is None


def test_a_tombstone_ends(backend):
    backend.acquire("key", FIRST, LEASE)
    bury(backend, seconds=0.2)

    wait_until(lambda: backend.released_by("key", FIRST.token) is None)
    assert renew(backend) is Renewed.RETAKEN


def test_any_name_is_told_as_it_is(backend, awkward):
    backend.acquire("key", FIRST, LEASE)
    bury(backend, by=awkward)

    assert renew(backend) == ReleasedBy(awkward[:200])


def test_all_of_a_batch_are_answered_in_their_order(backend):
    fence = backend.acquire("held", FIRST, LEASE).fence
    backend.acquire("released", FIRST, LEASE)
    backend.acquire("taken", SECOND, LEASE)
    bury(backend, key="released")
    keys = ["taken", "released", "held", "vanished"]

    answers = backend.renew([Renewal(key, FIRST, fence or 1, 10) for key in keys])

    assert answers == [Renewed.TAKEN, ANN, Renewed.HELD, Renewed.RETAKEN]


# A second delivery of its message


def arrive(backend: Backend, record: Record = FIRST, *over: str, limit: int = 1):
    return backend.acquire(
        "key",
        *(record, LEASE),
        remember_for=REMEMBERED,
        take_over_from=over,
        limit=limit,
    )


def test_a_second_delivery_of_its_message_waits_for_its_end(backend):
    arrive(backend)
    bury(backend)

    met = arrive(backend, redelivered(FIRST))

    assert isinstance(met, Held) and met.admitted
    assert met.record.token == FIRST.token
    assert 0 < met.remaining <= LEASE
    assert isinstance(arrive(backend, SECOND), Acquired)
    backend.release("key", FIRST.token, finished_for=REMEMBERED)
    assert arrive(backend, redelivered(FIRST)) == Finished()


def test_a_second_delivery_takes_over_from_one_that_has_died(backend):
    arrive(backend)
    bury(backend)

    taken = arrive(backend, redelivered(FIRST), FIRST.token)

    assert isinstance(taken, Acquired) and taken.admitted


def test_it_waits_for_no_longer_than_the_lease_had_left(backend):
    backend.acquire("key", FIRST, 0.5, remember_for=REMEMBERED)
    bury(backend)
    again = redelivered(FIRST)

    wait_until(lambda: isinstance(arrive(backend, again), Acquired))


# A lock that several hold


def owners(backend: Backend) -> list[str]:
    return [held.record.owner for held in backend.holders("key")]


def test_one_of_several_loses_its_place_and_does_not_take_another(several):
    first, second, third = take_some(several, 3, limit=3)

    assert bury(several, second, limit=3)
    assert records(several.holders("key")) == [first, third]
    assert renew(several, second, limit=3) == ANN
    assert renew(several, first, limit=3) is Renewed.HELD
    assert sorted(owners(several)) == ["task-0", "task-2"]


def test_its_place_is_free_for_another(several):
    [first] = take_some(several, 1, limit=1)
    other = record_of("other")
    assert isinstance(several.acquire("key", SECOND, LEASE, limit=2), Acquired)
    assert bury(several, first, limit=1)

    assert isinstance(several.acquire("key", other, LEASE, limit=2), Acquired)
    assert renew(several, first, limit=2) == renew(several, first) == ANN
    assert not several.release("key", first.token, limit=2)
    assert sorted(owners(several)) == ["other", "second"]


def test_the_last_of_several_leaves_the_lock_free(several):
    [only] = take_some(several, 1, limit=3)

    assert bury(several, only, limit=3)
    assert several.get("key") is None
    assert renew(several, only, limit=3) == ANN
    assert several.get("key") is None
    assert several.released_by("key", only.token) == "ann@mill"


def test_one_that_holds_no_place_frees_none(several):
    taken = take_some(several, 2, limit=3)

    assert not bury(several, FIRST, limit=3)
    assert records(several.holders("key")) == taken
    assert renew(several, FIRST, limit=3) == ANN


def test_a_second_delivery_waits_for_one_of_several(several):
    arrive(several, limit=3)
    arrive(several, SECOND, limit=3)
    bury(several, limit=3)

    met = arrive(several, redelivered(FIRST), limit=3)

    assert isinstance(met, Held) and met.record.token == FIRST.token
    assert isinstance(arrive(several, record_of("third"), limit=2), Acquired)
