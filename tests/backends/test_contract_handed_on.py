"""What every store of locks does with a lock that one leaves to another, or to all."""

from dataclasses import replace

import pytest

from tests.backends.stores import (
    FIRST,
    REMEMBERED,
    SECOND,
    published,
    redelivered,
    start,
    undisturbed,
)
from tests.waiting import wait_until
from unique_task.backends.steps import Acquired, Finished, Heir, Held, Stored

MESSAGE = published("message")
#: The next try of the first task, and what it would have if anybody could replace it.
HEIR = published("first")
PRETENDER = replace(HEIR, first=1)

# To pass through a lock: it is free again at once


def test_who_passes_through_a_free_lock_leaves_it_free(backend):
    answer = backend.acquire("key", FIRST, expire=0)

    assert isinstance(answer, Acquired)
    assert backend.get("key") is None


def test_who_passes_through_frees_its_own_reservation(backend):
    fence = backend.reserve("key", MESSAGE, expire=10).fence

    assert start(backend, MESSAGE, expire=0).fence > fence
    assert backend.get("key") is None


@pytest.mark.parametrize("state", ["reserved", "running"])
def test_nobody_passes_through_the_lock_of_another(backend, state):
    if state == "reserved":
        backend.reserve("key", MESSAGE, expire=10)
    else:
        backend.acquire("key", SECOND, expire=10)
    before = backend.get("key")

    answer = backend.acquire(
        "key", FIRST, expire=0, take_over_from=[published("first").token]
    )

    assert isinstance(answer, Held)
    assert answer.record == before.record == backend.get("key").record
    assert 0 < backend.get("key").remaining <= answer.remaining <= before.remaining


def test_a_second_delivery_does_not_pass_through_the_lock_of_the_next(backend):
    backend.reserve("key", MESSAGE, expire=10)
    start(backend, MESSAGE, expire=0)
    backend.reserve("key", HEIR, expire=10)

    assert isinstance(start(backend, MESSAGE, expire=0), Held)
    assert backend.get("key").record.token == HEIR.token


def test_who_passes_through_is_known_again(backend):
    first = backend.acquire("key", FIRST, expire=0, remember_for=REMEMBERED)
    again = backend.acquire(
        "key", redelivered(FIRST), expire=0, remember_for=REMEMBERED
    )

    assert (first.admitted, again.admitted) == (False, True)


def test_who_has_passed_through_may_finish(backend):
    backend.acquire("key", FIRST, expire=0, remember_for=REMEMBERED)
    assert not backend.release("key", FIRST.token, finished_for=REMEMBERED)

    answer = backend.acquire(
        "key", redelivered(FIRST), expire=0, remember_for=REMEMBERED
    )

    assert answer == Finished()


def test_who_accepts_a_value_passes_nowhere(backend):
    backend.acquire("key", SECOND, expire=10)
    backend.release("key", SECOND.token, value=b"value", fresh_for=10)
    backend.reserve("key", MESSAGE, expire=10)

    assert start(backend, MESSAGE, expire=0, accept_value=True) == Stored(b"value")
    assert backend.get("key").record.token == MESSAGE.token


# To keep its end


@pytest.mark.parametrize("reserved, asked", [(10, 100), (100, 10)])
def test_who_keeps_the_end_has_the_lock_as_long_as_it_was_reserved(
    backend, reserved, asked
):
    backend.reserve("key", MESSAGE, expire=reserved)

    taken = start(backend, MESSAGE, expire=asked, keep_end=True)

    held = backend.get("key")
    assert held.record.fence == taken.fence
    assert (held.record.owner, held.record.state) == ("message", "running")
    assert reserved / 2 < held.remaining <= reserved


def test_a_lock_whose_end_was_kept_ends_then(backend, short):
    def start_under(key: str, seconds: float) -> str:
        backend.reserve(key, MESSAGE, expire=seconds)
        start(backend, MESSAGE, expire=100, keep_end=True, key=key)
        return key

    key = undisturbed(start_under, short)

    wait_until(lambda: isinstance(backend.acquire(key, FIRST, 10), Acquired), 60)


def test_who_finds_the_lock_free_has_no_end_to_keep(backend):
    assert isinstance(start(backend, MESSAGE, expire=10, keep_end=True), Acquired)
    assert 0 < backend.get("key").remaining <= 10


def test_the_end_of_another_is_not_kept_but_left(backend):
    backend.acquire("key", FIRST, expire=10)

    assert isinstance(start(backend, MESSAGE, expire=100, keep_end=True), Held)
    assert backend.get("key").remaining <= 10


def test_who_passes_through_has_no_end_to_keep(backend):
    backend.reserve("key", MESSAGE, expire=10)

    assert isinstance(start(backend, MESSAGE, expire=0, keep_end=True), Acquired)
    assert backend.get("key") is None


# To leave it to an heir


def test_a_lock_is_freed_for_an_heir(backend):
    fence = backend.acquire("key", FIRST, expire=10).fence

    assert backend.release("key", FIRST.token, heir=Heir(HEIR, 100))

    held = backend.get("key")
    assert held.record == replace(HEIR, fence=fence)
    assert 10 < held.remaining <= 100


def test_an_heir_has_the_lock_for_its_own_time_and_not_that_of_the_holder(
    backend, short
):
    backend.acquire("key", FIRST, expire=100)
    backend.release("key", FIRST.token, heir=Heir(HEIR, short))

    wait_until(lambda: isinstance(backend.acquire("key", SECOND, 10), Acquired))


def test_who_does_not_hold_the_lock_leaves_it_to_nobody(backend):
    assert not backend.release("key", FIRST.token, heir=Heir(HEIR, 10))

    assert backend.get("key") is None


def test_who_does_not_hold_the_lock_does_not_leave_that_of_another(backend):
    backend.acquire("key", SECOND, expire=10)
    before = backend.get("key")

    assert not backend.release("key", FIRST.token, heir=Heir(HEIR, 100))

    assert backend.get("key").record == before.record
    assert backend.get("key").remaining <= before.remaining


def test_a_lock_is_left_to_an_heir_once(backend):
    backend.acquire("key", FIRST, expire=10)
    backend.release("key", FIRST.token, heir=Heir(HEIR, 10))

    assert not backend.release("key", FIRST.token, heir=Heir(MESSAGE, 10))
    assert backend.get("key").record.token == HEIR.token


def test_an_heir_starts_under_a_greater_fence(backend):
    fence = backend.acquire("key", FIRST, expire=10).fence
    backend.release("key", FIRST.token, heir=Heir(HEIR, 10))

    assert start(backend, HEIR).fence > fence
    assert isinstance(start(backend, HEIR), Held)


def test_all_but_the_heir_are_refused(backend):
    backend.acquire("key", FIRST, expire=10)
    backend.release("key", FIRST.token, heir=Heir(HEIR, 10))

    assert isinstance(backend.acquire("key", SECOND, expire=10), Held)
    assert isinstance(backend.reserve("key", MESSAGE, expire=10), Held)


@pytest.mark.parametrize("heir", [HEIR, PRETENDER])
def test_an_heir_is_not_replaced(backend, heir):
    backend.acquire("key", FIRST, expire=10)
    backend.release("key", FIRST.token, heir=Heir(heir, 10))

    answer = backend.reserve(
        "key", MESSAGE, 10, replace_within=1e12, remember_for=REMEMBERED
    )

    assert isinstance(answer, Held)
    assert answer.record.first is None
    assert backend.get("key").record.token == heir.token


def test_who_leaves_the_lock_to_an_heir_may_finish_and_leave_a_value_too(backend):
    backend.acquire("key", FIRST, expire=10, remember_for=REMEMBERED)
    backend.release(
        "key",
        FIRST.token,
        value=b"value",
        fresh_for=10,
        finished_for=REMEMBERED,
        heir=Heir(HEIR, 10),
    )

    finished = backend.acquire("key", redelivered(FIRST), 10, remember_for=REMEMBERED)
    stored = backend.reserve("key", MESSAGE, 10, accept_value=True)

    assert (finished, stored) == (Finished(), Stored(b"value"))
    assert backend.get("key").record.token == HEIR.token


def test_an_awkward_owner_inherits(backend, awkward):
    heir = published(awkward)
    backend.acquire("key", FIRST, expire=10)
    backend.release("key", FIRST.token, heir=Heir(heir, 10))

    assert backend.get("key").record.owner == awkward
    assert isinstance(start(backend, heir), Acquired)
