"""What every store of locks knows of an attempt that was given its lock before."""

import time

import pytest

from tests.backends.stores import FIRST, OTHERS, REMEMBERED, SECOND, admit, redelivered
from tests.waiting import wait_until
from unique_task.backends.base import Backend
from unique_task.backends.record import Record
from unique_task.backends.steps import Finished, Held, Renewal, Renewed, Stored


def is_admitted(backend: Backend, record: Record = FIRST) -> bool:
    """The answer to an attempt that comes (again) while another holds the lock."""
    backend.acquire("key", SECOND, expire=10)
    answer = backend.acquire("key", redelivered(record), 10, remember_for=REMEMBERED)
    assert isinstance(answer, Held) and answer.record.token == SECOND.token
    return answer.admitted


def leave_value(backend: Backend) -> None:
    backend.acquire("key", SECOND, expire=10)
    assert backend.release("key", SECOND.token, value=b"value", fresh_for=10)


# Who was


def test_an_attempt_that_never_had_the_lock_is_told_so(backend):
    assert not is_admitted(backend)


def test_an_attempt_whose_lock_has_ended_is_told_that_it_had_it(backend, short):
    backend.acquire("key", FIRST, expire=short, remember_for=REMEMBERED)
    wait_until(lambda: backend.get("key") is None)

    assert is_admitted(backend)


def test_an_attempt_that_was_taken_over_is_told_that_it_had_the_lock(backend):
    backend.acquire("key", FIRST, expire=10, remember_for=REMEMBERED)
    backend.acquire("key", SECOND, expire=10, take_over_from=[FIRST.token])

    assert is_admitted(backend)


def test_an_attempt_that_finds_its_own_earlier_delivery_is_told_so(backend):
    backend.acquire("key", FIRST, expire=10, remember_for=REMEMBERED)

    answer = backend.acquire("key", redelivered(FIRST), 10, remember_for=REMEMBERED)

    assert isinstance(answer, Held)
    assert answer.admitted


def test_an_attempt_that_took_the_lock_over_had_it(backend):
    backend.acquire("key", SECOND, expire=10)
    backend.acquire(
        "key", FIRST, expire=10, remember_for=REMEMBERED, take_over_from=[SECOND.token]
    )
    backend.release("key", FIRST.token)

    assert is_admitted(backend)


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_an_attempt_is_not_taken_for_one_that_had_the_lock(backend, other):
    admit(backend)
    backend.acquire("key", record := redelivered(SECOND), expire=10)

    answer = backend.acquire("key", other, expire=10, remember_for=REMEMBERED)

    assert isinstance(answer, Held) and answer.record.token == record.token
    assert not answer.admitted


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_another_that_had_the_lock_is_not_taken_for_the_attempt(backend, other):
    admit(backend, other)

    assert not is_admitted(backend)


def test_an_attempt_that_had_another_lock_did_not_have_this_one(backend):
    backend.acquire("another", FIRST, expire=10, remember_for=REMEMBERED)

    assert not is_admitted(backend)


def test_several_that_had_the_lock_are_remembered_beside_each_other(backend):
    for record in (FIRST, *OTHERS.values()):
        admit(backend, record)

    assert is_admitted(backend)
    assert all(is_admitted(backend, other) for other in OTHERS.values())


def test_an_admission_whose_answer_was_lost_may_be_repeated(backend):
    taken = backend.acquire(
        "key", FIRST, 10, accept_value=True, remember_for=REMEMBERED
    )

    assert (
        backend.acquire("key", FIRST, 10, accept_value=True, remember_for=REMEMBERED)
        == taken
    )


# What leaves no mark


def test_who_is_turned_away_is_not_remembered(backend):
    assert not is_admitted(backend)
    assert not is_admitted(backend)


def test_who_is_handed_a_value_is_not_remembered(backend):
    leave_value(backend)
    answer = backend.acquire(
        "key", FIRST, 10, accept_value=True, remember_for=REMEMBERED
    )

    assert isinstance(answer, Stored)
    assert not is_admitted(backend)


def test_who_does_not_ask_for_it_is_not_remembered(backend):
    admit(backend, remember_for=0)

    assert not is_admitted(backend)


def test_who_takes_over_and_does_not_ask_for_it_is_not_remembered(backend):
    backend.acquire("key", SECOND, expire=10)
    backend.acquire("key", FIRST, expire=10, take_over_from=[SECOND.token])
    backend.release("key", FIRST.token)

    assert not is_admitted(backend)


def test_who_does_not_ask_for_it_is_told_nothing(backend):
    admit(backend)
    backend.acquire("key", SECOND, expire=10)

    assert not backend.acquire("key", redelivered(FIRST), expire=10).admitted


def test_an_attempt_is_not_forgotten_if_it_does_not_ask_for_it(backend):
    admit(backend)
    admit(backend, redelivered(FIRST), remember_for=0)

    assert is_admitted(backend)


# For how long


def test_who_had_the_lock_is_remembered_for_the_time_and_no_longer(backend, short):
    asked = time.monotonic()
    admit(backend, remember_for=short)

    assert is_admitted(backend) or time.monotonic() - asked > short
    # That it asks, and is turned away, does not prolong it.
    wait_until(lambda: not is_admitted(backend))
    # A store may count in milliseconds.
    assert time.monotonic() - asked > short - 0.002


def test_who_gets_the_lock_again_is_remembered_from_then_on(backend, short):
    admit(backend, remember_for=short)
    admit(backend, redelivered(FIRST))
    ends = time.monotonic() + short

    wait_until(lambda: time.monotonic() > ends)

    assert is_admitted(backend)


# The end of the attempt


def test_a_release_that_does_not_say_finished_leaves_it_admitted(backend):
    backend.acquire("key", FIRST, expire=10, remember_for=REMEMBERED)
    backend.release("key", FIRST.token, value=b"value", fresh_for=10)

    assert is_admitted(backend)


def test_who_had_the_lock_may_finish(backend):
    backend.acquire("key", FIRST, expire=10, remember_for=REMEMBERED)
    backend.release("key", FIRST.token, finished_for=REMEMBERED)

    answer = backend.acquire("key", redelivered(FIRST), 10, remember_for=REMEMBERED)

    assert answer == Finished()


def test_who_never_had_the_lock_may_finish(backend):
    assert not backend.release("key", FIRST.token, finished_for=REMEMBERED)

    answer = backend.acquire("key", redelivered(FIRST), 10, remember_for=REMEMBERED)

    assert answer == Finished()


def test_who_has_finished_is_remembered_for_the_time_of_its_end(backend, short):
    backend.acquire("key", FIRST, expire=10, remember_for=short)
    backend.release("key", FIRST.token, finished_for=REMEMBERED)
    ends = time.monotonic() + short

    wait_until(lambda: time.monotonic() > ends)

    answer = backend.acquire("key", redelivered(FIRST), 10, remember_for=REMEMBERED)
    assert answer == Finished()


def test_an_end_that_is_forgotten_leaves_no_admission_behind(backend, short):
    admit(backend)
    leave_value(backend)
    backend.release("key", FIRST.token, finished_for=short)
    asked = redelivered(FIRST)

    def answer() -> object:
        return backend.acquire(
            "key", asked, 10, accept_value=True, remember_for=REMEMBERED
        )

    assert wait_until(lambda: answer() != Finished() and answer()) == Stored(b"value")


def test_an_end_is_not_undone_by_who_does_not_ask_for_it(backend):
    backend.release("key", FIRST.token, finished_for=REMEMBERED)
    admit(backend, redelivered(FIRST), remember_for=0)

    answer = backend.acquire("key", redelivered(FIRST), 10, remember_for=REMEMBERED)

    assert answer == Finished()


# While it runs


def test_a_renewal_says_for_how_long_it_is_known_from_then_on(backend, short):
    fence = backend.acquire("key", FIRST, expire=10, remember_for=short).fence
    renewal = Renewal("key", FIRST, fence, expire=short, remember_for=REMEMBERED)

    assert backend.renew([renewal]) == [Renewed.HELD]
    wait_until(lambda: backend.get("key") is None)

    assert is_admitted(backend)


def test_a_lock_that_is_taken_again_is_known_again(backend, short):
    fence = backend.acquire("key", FIRST, expire=short, remember_for=short).fence
    wait_until(lambda: backend.get("key") is None)
    renewal = Renewal("key", FIRST, fence, expire=short, remember_for=REMEMBERED)

    assert backend.renew([renewal]) == [Renewed.RETAKEN]
    wait_until(lambda: backend.get("key") is None)

    assert is_admitted(backend)


def test_a_renewal_of_what_another_holds_says_nothing(backend):
    backend.acquire("key", SECOND, expire=10)
    renewal = Renewal("key", FIRST, 1, expire=10, remember_for=REMEMBERED)

    assert backend.renew([renewal]) == [Renewed.TAKEN]

    assert not is_admitted(backend)


def test_a_renewal_that_says_nothing_leaves_no_mark(backend, short):
    fence = backend.acquire("key", FIRST, expire=10).fence
    backend.renew([Renewal("key", FIRST, fence, expire=short)])
    wait_until(lambda: backend.get("key") is None)

    assert not is_admitted(backend)
