"""What every store of locks does for a message that is about to be published."""

import time
from dataclasses import replace
from typing import Any

import pytest

from tests.backends.stores import (
    FIRST,
    ONE,
    REMEMBERED,
    SECOND,
    THREE,
    TWO,
    published,
    redelivered,
    reserve,
    start,
)
from tests.waiting import wait_until
from unique_task.backends.steps import Acquired, Finished, Held, Reserved, Stored

MESSAGE = published("message")
OTHER = published("other")


@pytest.fixture
def reserved(backend) -> int:
    """Fence under which the lock waits for its message, 10 seconds long."""
    return int(backend.reserve("key", MESSAGE, expire=10).fence)


# To reserve a lock


def test_a_free_lock_is_reserved(backend):
    answer = backend.reserve("key", MESSAGE, expire=10)

    assert answer == Reserved(answer.fence, 0, None)
    held = backend.get("key")
    fence = answer.fence
    assert held.record == replace(MESSAGE, fence=fence, first=fence)
    assert 0 < held.remaining <= 10


@pytest.mark.parametrize("state", ["reserved", "running"])
def test_a_held_lock_is_not_reserved_and_not_changed(backend, state):
    if state == "reserved":
        backend.reserve("key", OTHER, expire=10)
    else:
        backend.acquire("key", FIRST, expire=10)
    before = backend.get("key")

    answer = backend.reserve("key", MESSAGE, expire=100)

    assert isinstance(answer, Held)
    assert answer.record == before.record == backend.get("key").record
    assert 0 < backend.get("key").remaining <= answer.remaining <= before.remaining


def test_a_reserved_lock_is_refused_to_all_but_its_message(backend, reserved):
    for record in (FIRST, redelivered(MESSAGE)):
        answer = backend.acquire("key", record, expire=100)

        assert isinstance(answer, Held)
        assert answer.record.token == MESSAGE.token
    assert backend.get("key").remaining <= 10


def test_another_key_is_reserved_for_itself(backend, reserved):
    assert isinstance(backend.reserve("another", OTHER, expire=10), Reserved)
    assert backend.get("key").record.token == MESSAGE.token


def test_a_reservation_ends_when_its_time_is_over_and_not_before(backend, short):
    asked = time.monotonic()
    backend.reserve("key", MESSAGE, expire=short)

    wait_until(lambda: isinstance(backend.reserve("key", OTHER, 10), Reserved))

    # A store may count in milliseconds.
    assert time.monotonic() - asked > short - 0.002


def test_a_reservation_whose_message_was_not_published_is_freed(backend, reserved):
    assert backend.release("key", MESSAGE.token)

    assert isinstance(backend.reserve("key", OTHER, expire=10), Reserved)


@pytest.mark.parametrize("replaceable", [True, False])
@pytest.mark.parametrize("bound", [None, REMEMBERED])
def test_a_reservation_whose_answer_was_lost_may_be_repeated(
    backend, replaceable, bound
):
    how = {
        "replaceable": replaceable,
        "replace_within": bound,
        "remember_for": REMEMBERED,
    }
    first = backend.reserve("key", MESSAGE, expire=10, **how)

    assert backend.reserve("key", MESSAGE, expire=10, **how) == first
    assert backend.get("key").record.fence == first.fence


def test_the_fence_grows_with_every_reservation_and_start(backend):
    fences = []
    for turn in range(50):
        message = published(f"task-{turn}")
        fences.append(backend.reserve("key", message, expire=10).fence)
        attempt = redelivered(message)
        over = [message.token]
        fences.append(
            backend.acquire("key", attempt, expire=10, take_over_from=over).fence
        )
        backend.release("key", attempt.token)

    assert fences == sorted(set(fences))


# Where a value is


@pytest.fixture
def value(backend) -> bytes:
    backend.acquire("key", FIRST, expire=10)
    backend.release("key", FIRST.token, value=b"value", fresh_for=10)
    return b"value"


def test_who_accepts_a_value_gets_it_and_reserves_nothing(backend, value):
    answer = backend.reserve("key", MESSAGE, expire=10, accept_value=True)

    assert answer == Stored(value)
    assert backend.get("key") is None


def test_who_accepts_a_value_gets_it_also_while_another_holds_the_lock(backend, value):
    backend.acquire("key", SECOND, expire=10)

    assert backend.reserve("key", MESSAGE, 10, accept_value=True) == Stored(value)


def test_who_replaces_gets_a_value_and_replaces_nobody(backend, value):
    backend.reserve("key", OTHER, expire=10)

    answer = backend.reserve(
        "key",
        MESSAGE,
        10,
        accept_value=True,
        replace_within=100,
        remember_for=REMEMBERED,
    )

    assert answer == Stored(value)
    assert backend.get("key").record.token == OTHER.token


def test_who_does_not_accept_a_value_reserves_the_lock(backend, value):
    assert isinstance(backend.reserve("key", MESSAGE, expire=10), Reserved)


def test_who_accepts_a_value_reserves_the_lock_where_there_is_none(backend):
    assert isinstance(backend.reserve("key", MESSAGE, 10, accept_value=True), Reserved)


# To start


def test_a_message_starts_under_the_lock_that_was_reserved_for_it(backend, reserved):
    taken = start(backend, MESSAGE, expire=100)

    assert isinstance(taken, Acquired)
    assert taken.fence > reserved
    assert not taken.admitted
    held = backend.get("key")
    assert (held.record.owner, held.record.state) == ("message", "running")
    assert (held.record.fence, held.record.first) == (taken.fence, None)
    assert 10 < held.remaining <= 100


def test_a_second_delivery_does_not_get_the_lock_of_the_first(backend, reserved):
    taken = start(backend, MESSAGE)

    again = start(backend, MESSAGE)

    assert isinstance(again, Held)
    assert again.record.fence == taken.fence


def test_a_message_does_not_start_under_the_reservation_of_another(backend, reserved):
    assert isinstance(start(backend, OTHER), Held)
    assert backend.get("key").record.token == MESSAGE.token


def test_a_message_whose_reservation_has_ended_starts_on_a_free_lock(backend, short):
    fence = backend.reserve("key", MESSAGE, expire=short).fence
    wait_until(lambda: backend.get("key") is None)

    assert start(backend, MESSAGE).fence > fence


def test_a_message_whose_reservation_has_ended_is_refused_a_held_lock(backend, short):
    backend.reserve("key", MESSAGE, expire=short)
    wait_until(lambda: isinstance(backend.reserve("key", OTHER, 10), Reserved))

    assert isinstance(start(backend, MESSAGE), Held)


def test_a_message_that_has_finished_does_not_start_again(backend, reserved):
    attempt = redelivered(MESSAGE)
    backend.acquire(
        "key", attempt, 10, remember_for=REMEMBERED, take_over_from=(MESSAGE.token,)
    )
    backend.release("key", attempt.token, finished_for=REMEMBERED)

    assert start(backend, MESSAGE, remember_for=REMEMBERED) == Finished()


def test_an_awkward_owner_starts_under_its_reservation(backend, awkward):
    message = published(awkward)
    backend.reserve("key", message, expire=10)

    assert isinstance(start(backend, message), Acquired)
    assert backend.get("key").record.owner == awkward


def test_who_was_admitted_is_not_replaced_when_it_comes_again(backend):
    """It started and died; meanwhile later messages replaced each other."""
    one = reserve(backend, ONE)
    first = redelivered(ONE)
    how: Any = {"remember_for": REMEMBERED, "generation": one.fence}
    backend.acquire("key", first, 10, take_over_from=(ONE.token,), **how)
    backend.release("key", first.token)
    reserve(backend, TWO)
    reserve(backend, THREE)
    backend.release("key", THREE.token)

    answer = backend.acquire("key", redelivered(ONE), 10, **how)

    assert isinstance(answer, Acquired) and answer.admitted
