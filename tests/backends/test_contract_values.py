"""What every store of locks does with the value of a run."""

import time

import pytest

from tests.backends.stores import (
    FIRST,
    REMEMBERED,
    SECOND,
    admit,
    record_of,
    redelivered,
)
from tests.waiting import wait_until
from unique_task.backends.base import Backend
from unique_task.backends.steps import Acquired, Held, Stored

BINARY = {"empty": b"", "any bytes": bytes(range(256)), "big": b"x" * 1_000_000}


def finish(backend: Backend, value: bytes, fresh: float, key: str = "key") -> None:
    """Run once, and leave `value` behind."""
    record = record_of("earlier")
    backend.acquire(key, record, expire=10)
    assert backend.release(key, record.token, value=value, fresh_for=fresh)


# In place of a run


@pytest.mark.parametrize("value", BINARY.values(), ids=BINARY)
def test_a_value_is_handed_out_in_place_of_the_lock(backend, value):
    finish(backend, value, fresh=10)

    assert backend.acquire("key", FIRST, expire=10, accept_value=True) == Stored(value)
    assert backend.get("key") is None


def test_a_value_is_handed_out_only_to_those_who_want_it(backend):
    finish(backend, b"value", fresh=10)

    assert isinstance(backend.acquire("key", FIRST, expire=10), Acquired)


def test_a_value_is_handed_out_also_while_the_lock_is_held(backend):
    finish(backend, b"value", fresh=10)
    backend.acquire("key", FIRST, expire=10)

    answer = backend.acquire("key", SECOND, expire=10, accept_value=True)

    assert answer == Stored(b"value")


def test_who_wants_a_value_gets_the_lock_where_there_is_none(backend):
    finish(backend, b"value", fresh=10, key="another")

    answer = backend.acquire("key", FIRST, expire=10, accept_value=True)

    assert isinstance(answer, Acquired)


def test_who_wants_a_value_is_refused_while_its_run_lasts(backend):
    backend.acquire("key", FIRST, expire=10, accept_value=True)

    assert isinstance(
        backend.acquire("key", SECOND, expire=10, accept_value=True), Held
    )


def test_a_value_of_a_run_that_lost_its_lock_is_not_stored(backend):
    backend.acquire("key", FIRST, expire=10)

    backend.release("key", SECOND.token, value=b"value", fresh_for=10)
    backend.release("key", FIRST.token)
    backend.release("key", FIRST.token, value=b"value", fresh_for=10)

    answer = backend.acquire("key", SECOND, expire=10, accept_value=True)
    assert isinstance(answer, Acquired)


def test_a_newer_value_takes_the_place_of_the_older(backend):
    finish(backend, b"older", fresh=10)
    finish(backend, b"newer", fresh=10)

    answer = backend.acquire("key", FIRST, expire=10, accept_value=True)

    assert answer == Stored(b"newer")


def test_a_value_is_fresh_for_its_time_and_no_longer(backend, short):
    stored = time.monotonic()
    finish(backend, b"value", fresh=short)

    wait_until(
        lambda: isinstance(
            backend.acquire("key", FIRST, expire=10, accept_value=True), Acquired
        )
    )

    assert time.monotonic() - stored > short - 0.002


# Beside an attempt that was given the lock before


def test_a_value_is_handed_to_who_never_had_the_lock(backend):
    finish(backend, b"value", fresh=10)

    answer = backend.acquire(
        "key", FIRST, 10, accept_value=True, remember_for=REMEMBERED
    )

    assert answer == Stored(b"value")


def test_who_had_the_lock_gets_it_again_and_not_the_value(backend):
    admit(backend)
    finish(backend, b"value", fresh=10)

    answer = backend.acquire(
        "key", redelivered(FIRST), 10, accept_value=True, remember_for=REMEMBERED
    )

    assert isinstance(answer, Acquired)


def test_who_had_the_lock_takes_it_over_in_place_of_the_value(backend):
    finish(backend, b"value", fresh=10)
    backend.acquire("key", FIRST, expire=10, remember_for=REMEMBERED)

    again, over = redelivered(FIRST), [FIRST.token]
    answer = backend.acquire(
        "key",
        again,
        10,
        accept_value=True,
        remember_for=REMEMBERED,
        take_over_from=over,
    )

    assert isinstance(answer, Acquired)


def test_who_had_the_lock_is_told_who_holds_it_and_not_the_value(backend):
    admit(backend)
    finish(backend, b"value", fresh=10)
    backend.acquire("key", SECOND, expire=10)

    answer = backend.acquire(
        "key", redelivered(FIRST), 10, accept_value=True, remember_for=REMEMBERED
    )

    assert isinstance(answer, Held)
    assert answer.admitted


def test_who_had_the_lock_and_does_not_ask_for_it_is_handed_the_value(backend):
    admit(backend)
    finish(backend, b"value", fresh=10)

    answer = backend.acquire("key", redelivered(FIRST), expire=10, accept_value=True)

    assert answer == Stored(b"value")
