"""What every store of locks does about a message that is delivered again."""

import time

import pytest

from tests.backends.stores import (
    FIRST,
    OTHERS,
    REMEMBERED,
    SECOND,
    admit,
    record_of,
    redelivered,
)
from tests.waiting import wait_until
from unique_task.backends.base import Backend
from unique_task.backends.record import Record
from unique_task.backends.steps import (
    Acquired,
    Finished,
    Held,
    Renewal,
    Renewed,
    Stored,
)


def finish(backend: Backend, record: Record = FIRST, key: str = "key") -> None:
    backend.acquire(key, record, expire=10, remember_for=REMEMBERED)
    assert backend.release(key, record.token, finished_for=REMEMBERED)


# A finished attempt


def test_a_finished_attempt_is_not_run_again(backend):
    finish(backend)

    answer = backend.acquire(
        "key", redelivered(FIRST), expire=10, remember_for=REMEMBERED
    )

    assert answer == Finished()
    assert backend.get("key") is None


def test_a_renewal_does_not_forget_that_an_earlier_delivery_has_finished(backend):
    """It was stalled, lost the lock to the next delivery, and came to its end."""
    again = redelivered(FIRST)
    backend.acquire("key", FIRST, expire=10, remember_for=REMEMBERED)
    taken = backend.acquire(
        "key", again, expire=10, remember_for=REMEMBERED, take_over_from=[FIRST.token]
    )
    assert not backend.release("key", FIRST.token, finished_for=REMEMBERED)

    renewal = Renewal("key", again, taken.fence, 10, REMEMBERED)
    assert backend.renew([renewal]) == [Renewed.HELD]
    assert backend.release("key", again.token)

    answer = backend.acquire(
        "key", redelivered(FIRST), expire=10, remember_for=REMEMBERED
    )
    assert answer == Finished()


def test_a_finished_attempt_is_not_run_again_under_its_own_token(backend):
    finish(backend)

    assert (
        backend.acquire("key", FIRST, expire=10, remember_for=REMEMBERED) == Finished()
    )


def test_an_attempt_is_finished_also_while_another_holds_the_lock(backend):
    finish(backend)
    backend.acquire("key", SECOND, expire=10)

    answer = backend.acquire(
        "key", redelivered(FIRST), expire=10, remember_for=REMEMBERED
    )

    assert answer == Finished()
    assert backend.get("key").record.token == SECOND.token


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_another_attempt_is_let_in_where_one_has_finished(backend, other):
    finish(backend)

    assert isinstance(
        backend.acquire("key", other, expire=10, remember_for=REMEMBERED), Acquired
    )


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_the_end_of_another_attempt_finishes_none_but_itself(backend, other):
    finish(backend, other)

    answer = backend.acquire(
        "key", redelivered(FIRST), expire=10, remember_for=REMEMBERED
    )

    assert isinstance(answer, Acquired)


def test_several_attempts_are_remembered_beside_each_other(backend):
    finish(backend)
    finish(backend, SECOND)

    for record in (FIRST, SECOND):
        again = redelivered(record)
        assert (
            backend.acquire("key", again, expire=10, remember_for=REMEMBERED)
            == Finished()
        )


def test_what_finished_under_another_key_is_let_in(backend):
    finish(backend, key="another")

    answer = backend.acquire(
        "key", redelivered(FIRST), expire=10, remember_for=REMEMBERED
    )

    assert isinstance(answer, Acquired)


def test_who_does_not_ask_for_it_runs_a_finished_attempt_again(backend):
    finish(backend)

    assert isinstance(backend.acquire("key", redelivered(FIRST), expire=10), Acquired)


def test_an_awkward_owner_is_known_as_finished(backend, awkward):
    finish(backend, record_of(awkward))

    again = record_of(awkward)

    assert (
        backend.acquire("key", again, expire=10, remember_for=REMEMBERED) == Finished()
    )


def test_a_finished_attempt_is_remembered_for_its_time_and_no_longer(backend, short):
    backend.acquire("key", FIRST, expire=10)
    finished = time.monotonic()
    backend.release("key", FIRST.token, finished_for=short)
    again = redelivered(FIRST)
    answer = backend.acquire("key", again, expire=10, remember_for=REMEMBERED)

    assert answer == Finished() or time.monotonic() - finished > short
    wait_until(
        lambda: isinstance(
            backend.acquire("key", again, expire=10, remember_for=REMEMBERED), Acquired
        )
    )
    # A store may count in milliseconds.
    assert time.monotonic() - finished > short - 0.002


def test_a_second_end_of_an_attempt_is_remembered_from_then_on(backend, short):
    backend.acquire("key", FIRST, expire=10)
    backend.release("key", FIRST.token, finished_for=short)
    backend.release("key", FIRST.token, finished_for=REMEMBERED)
    ends = time.monotonic() + short

    wait_until(lambda: time.monotonic() > ends)

    answer = backend.acquire(
        "key", redelivered(FIRST), expire=10, remember_for=REMEMBERED
    )
    assert answer == Finished()


# What is none


def test_a_release_that_does_not_say_so_finishes_nothing(backend):
    backend.acquire("key", FIRST, expire=10, remember_for=REMEMBERED)
    backend.release("key", FIRST.token)

    answer = backend.acquire(
        "key", redelivered(FIRST), expire=10, remember_for=REMEMBERED
    )

    assert isinstance(answer, Acquired)


def test_a_value_alone_finishes_nothing(backend):
    backend.acquire("key", FIRST, expire=10, remember_for=REMEMBERED)
    backend.release("key", FIRST.token, value=b"value", fresh_for=10)

    answer = backend.acquire(
        "key", redelivered(FIRST), expire=10, remember_for=REMEMBERED
    )

    assert isinstance(answer, Acquired)


def test_an_attempt_that_still_runs_is_held_and_not_finished(backend):
    backend.acquire("key", FIRST, expire=10, remember_for=REMEMBERED)

    answer = backend.acquire(
        "key", redelivered(FIRST), expire=10, remember_for=REMEMBERED
    )

    assert isinstance(answer, Held)


# One that lost its lock


def test_an_attempt_is_finished_also_if_its_lock_had_vanished(backend):
    admit(backend)
    assert not backend.release("key", FIRST.token, finished_for=REMEMBERED)

    answer = backend.acquire(
        "key", redelivered(FIRST), expire=10, remember_for=REMEMBERED
    )

    assert answer == Finished()


def test_an_attempt_is_finished_also_if_another_had_taken_its_lock(backend):
    backend.acquire("key", SECOND, expire=10)

    assert not backend.release("key", FIRST.token, finished_for=REMEMBERED)

    answer = backend.acquire(
        "key", redelivered(FIRST), expire=10, remember_for=REMEMBERED
    )
    assert answer == Finished()


def test_the_end_of_an_attempt_does_not_change_the_lock_of_another(backend):
    backend.acquire("key", SECOND, expire=10)
    before = backend.get("key")

    backend.release("key", FIRST.token, value=b"value", fresh_for=100, finished_for=100)

    held = backend.get("key")
    assert held.record == before.record
    assert held.remaining <= before.remaining


def test_an_attempt_that_lost_its_lock_finishes_without_its_value(backend):
    backend.acquire("key", SECOND, expire=10)
    backend.release(
        "key", FIRST.token, value=b"value", fresh_for=10, finished_for=REMEMBERED
    )

    answer = backend.acquire("key", record_of("third"), expire=10, accept_value=True)

    assert isinstance(answer, Held)


def test_an_attempt_whose_lock_vanished_finishes_without_its_value(backend):
    backend.release(
        "key", FIRST.token, value=b"value", fresh_for=10, finished_for=REMEMBERED
    )

    answer = backend.acquire("key", SECOND, expire=10, accept_value=True)

    assert isinstance(answer, Acquired)


# Beside a value


def finish_with_value(backend: Backend) -> None:
    backend.acquire("key", FIRST, expire=10)
    backend.release(
        "key", FIRST.token, value=b"value", fresh_for=10, finished_for=REMEMBERED
    )


def test_an_attempt_may_finish_and_leave_a_value(backend):
    finish_with_value(backend)

    finished = backend.acquire(
        "key", redelivered(FIRST), expire=10, remember_for=REMEMBERED
    )
    stored = backend.acquire("key", SECOND, expire=10, accept_value=True)

    assert (finished, stored) == (Finished(), Stored(b"value"))
    assert backend.get("key") is None


def test_who_has_finished_is_told_so_and_not_the_value(backend):
    finish_with_value(backend)

    answer = backend.acquire(
        "key", redelivered(FIRST), expire=10, remember_for=REMEMBERED, accept_value=True
    )

    assert answer == Finished()


def test_who_has_not_finished_is_told_the_value(backend):
    finish_with_value(backend)

    answer = backend.acquire(
        "key", SECOND, expire=10, remember_for=REMEMBERED, accept_value=True
    )

    assert answer == Stored(b"value")
