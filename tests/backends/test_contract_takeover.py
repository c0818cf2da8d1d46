"""What every store of locks does for those who take a lock over from the dead."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest

from tests.backends.stores import (
    FIRST,
    LEASE,
    REMEMBERED,
    SECOND,
    open_store,
    record_of,
)
from unique_task.backends.steps import (
    Acquired,
    Finished,
    Held,
    Renewal,
    Renewed,
    StoreAnswer,
    Stored,
)

DEAD = record_of("dead")
THIRD = record_of("third")

#: A year in the microseconds that a fence counts.
YEAR = 365 * 24 * 3600 * 1_000_000

# To take a lock


def test_a_lock_is_taken_over_from_a_token_that_is_named(backend):
    backend.acquire("key", DEAD, expire=10)

    taken = backend.acquire("key", FIRST, expire=100, take_over_from=[DEAD.token])

    assert isinstance(taken, Acquired)
    held = backend.get("key")
    assert held.record == replace(FIRST, fence=taken.fence)
    assert 10 < held.remaining <= 100


@pytest.mark.parametrize("place", [0, 1, 2])
def test_any_of_the_named_tokens_may_be_the_holder(backend, place):
    backend.acquire("key", DEAD, expire=10)
    named = [SECOND.token, THIRD.token]
    named.insert(place, DEAD.token)

    assert isinstance(
        backend.acquire("key", FIRST, expire=10, take_over_from=named), Acquired
    )


def test_a_holder_that_is_not_named_is_not_taken_over(backend):
    taken = backend.acquire("key", SECOND, expire=10)

    answer = backend.acquire(
        "key", FIRST, expire=100, take_over_from=[DEAD.token, THIRD.token]
    )

    assert isinstance(answer, Held)
    assert answer.record == replace(SECOND, fence=taken.fence)
    assert backend.get("key").remaining <= 10


def test_another_delivery_of_the_named_is_not_taken_over(backend):
    backend.acquire("key", record_of("dead"), expire=10)

    answer = backend.acquire("key", FIRST, expire=10, take_over_from=[DEAD.token])

    assert isinstance(answer, Held)


NEARLY = {
    "shorter": DEAD.token[:-1],
    "longer": DEAD.token + "0",
    "a pattern": ".*",
    "nothing": "",
}


@pytest.mark.parametrize("named", NEARLY.values(), ids=NEARLY)
def test_a_token_is_named_in_full_and_to_the_letter(backend, named):
    backend.acquire("key", DEAD, expire=10)

    assert isinstance(
        backend.acquire("key", FIRST, expire=10, take_over_from=[named]), Held
    )


def test_a_free_lock_is_acquired_over_whom_ever(backend):
    taken = backend.acquire("key", FIRST, expire=10, take_over_from=[DEAD.token])

    assert isinstance(taken, Acquired)
    assert backend.get("key").record == replace(FIRST, fence=taken.fence)


def test_the_lock_of_the_named_under_another_key_stays(backend):
    backend.acquire("another", DEAD, expire=10)

    backend.acquire("key", FIRST, expire=10, take_over_from=[DEAD.token])

    assert backend.get("another").record.token == DEAD.token


def test_an_awkward_owner_is_taken_over(backend, awkward):
    dead = record_of(awkward)
    backend.acquire("key", dead, expire=10)

    answer = backend.acquire("key", FIRST, expire=10, take_over_from=[dead.token])

    assert isinstance(answer, Acquired)


def test_a_delivery_takes_over_from_the_one_that_died(backend):
    backend.acquire("key", DEAD, expire=10, remember_for=REMEMBERED)

    again = record_of("dead")
    answer = backend.acquire(
        "key", again, expire=10, remember_for=REMEMBERED, take_over_from=[DEAD.token]
    )

    assert isinstance(answer, Acquired)


# Its fence


def test_a_lock_is_taken_over_under_a_greater_fence(backend):
    fences = [backend.acquire("key", DEAD, expire=10).fence]
    last = DEAD
    for turn in range(100):
        record = record_of(f"task-{turn}")
        answer = backend.acquire("key", record, expire=10, take_over_from=[last.token])
        fences.append(answer.fence)
        last = record

    assert fences == sorted(set(fences))


def test_a_lock_is_taken_over_under_a_greater_fence_also_if_the_clock_went_back(
    backend,
):
    # What a clock that was ahead has left.
    ahead = backend.acquire("key", DEAD, expire=10).fence + YEAR
    backend.release("key", DEAD.token)
    backend.renew([Renewal("key", DEAD, ahead, 10)])

    taken = backend.acquire("key", FIRST, expire=10, take_over_from=[DEAD.token])

    assert taken.fence > ahead
    assert backend.get("key").record.fence == taken.fence


def test_a_take_over_whose_answer_was_lost_may_be_repeated(backend):
    backend.acquire("key", DEAD, expire=10)
    taken = backend.acquire("key", FIRST, expire=10, take_over_from=[DEAD.token])

    assert (
        backend.acquire("key", FIRST, expire=10, take_over_from=[DEAD.token]) == taken
    )


# By one


def test_a_lock_is_taken_over_once(backend):
    backend.acquire("key", DEAD, expire=10)
    backend.acquire("key", FIRST, expire=10, take_over_from=[DEAD.token])

    answer = backend.acquire("key", SECOND, expire=10, take_over_from=[DEAD.token])

    assert isinstance(answer, Held)
    assert answer.record.token == FIRST.token


@pytest.mark.usefixtures("hasty_threads")
def test_of_many_who_take_over_at_once_one_gets_the_lock(backend, url):
    backends = [open_store(url) if backend.shared else backend for _ in range(6)]
    # Who fails does not let the others wait for ever.
    barrier = Barrier(len(backends), timeout=60)

    def take(number: int, key: str) -> StoreAnswer:
        # Every other one only looks whether the lock is free in between.
        over = [DEAD.token] if number % 2 else []
        barrier.wait()
        record = record_of("taker")
        return backends[number].acquire(key, record, expire=LEASE, take_over_from=over)

    def take_all(number: int) -> list[StoreAnswer]:
        return [take(number, key) for key in keys]

    keys = [f"key {number}" for number in range(100)]
    for key in keys:
        backend.acquire(key, DEAD, expire=LEASE)
    with ThreadPoolExecutor(len(backends)) as threads:
        answers = list(threads.map(take_all, range(len(backends))))

    # In the order of the takers, for each key.
    for of_key in zip(*answers):
        got = [isinstance(answer, Acquired) for answer in of_key]
        assert sum(got) == sum(got[1::2]) == 1


# From one who lives after all


@pytest.fixture
def taken_over(backend):
    """The fence of the first holder, which does not know of the second."""
    fence = backend.acquire("key", DEAD, expire=10).fence
    backend.acquire("key", FIRST, expire=10, take_over_from=[DEAD.token])
    return fence


def test_who_was_taken_over_does_not_renew_the_lock(backend, taken_over):
    assert backend.renew([Renewal("key", DEAD, taken_over, 100)]) == [Renewed.TAKEN]
    held = backend.get("key")
    assert held.record.token == FIRST.token
    assert held.remaining <= 10


def test_who_was_taken_over_does_not_free_the_lock(backend, taken_over):
    assert not backend.release("key", DEAD.token)
    assert backend.get("key").record.token == FIRST.token


def test_who_was_taken_over_does_not_get_the_lock_again(backend, taken_over):
    assert isinstance(backend.acquire("key", DEAD, expire=10), Held)


def test_who_took_over_renews_and_frees(backend, taken_over):
    fence = backend.get("key").record.fence

    assert backend.renew([Renewal("key", FIRST, fence, 100)]) == [Renewed.HELD]
    assert backend.release("key", FIRST.token)
    assert backend.get("key") is None


# Where the call need not run


def test_a_finished_attempt_takes_nothing_over(backend):
    backend.release("key", FIRST.token, finished_for=REMEMBERED)
    backend.acquire("key", DEAD, expire=10)

    again = record_of("first")
    answer = backend.acquire(
        "key", again, expire=10, remember_for=REMEMBERED, take_over_from=[DEAD.token]
    )

    assert answer == Finished()
    assert backend.get("key").record.token == DEAD.token


def test_who_finds_a_value_takes_nothing_over(backend):
    backend.acquire("key", SECOND, expire=10)
    backend.release("key", SECOND.token, value=b"value", fresh_for=10)
    backend.acquire("key", DEAD, expire=10)

    answer = backend.acquire(
        "key", FIRST, expire=10, accept_value=True, take_over_from=[DEAD.token]
    )

    assert answer == Stored(b"value")
    assert backend.get("key").record.token == DEAD.token
