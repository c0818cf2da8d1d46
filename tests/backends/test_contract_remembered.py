"""What every store tells of what runs have left behind."""

import math

import pytest

from tests.backends.stores import (
    FIRST,
    REMEMBERED,
    SECOND,
    admit,
    redelivered,
)
from unique_task.backends.base import Backend
from unique_task.backends.remembering import Mark, Remembered, Remembers


@pytest.fixture
def remembers(backend: Backend) -> Remembers:
    if not isinstance(backend, Remembers):
        pytest.skip("it does not tell")
    return backend


def told(backend: Remembers, *tokens: str) -> Remembered:
    answer = backend.remembered("key", tokens)
    assert answer is not None
    return answer


def test_where_nothing_is_left_behind_it_says_so(remembers):
    assert told(remembers, FIRST.token) == Remembered(None, {})


def test_it_tells_for_how_long_a_value_is_fresh(remembers):
    remembers.acquire("key", FIRST, expire=10)
    remembers.release("key", FIRST.token, value=b"value", fresh_for=100)

    fresh_for = told(remembers).fresh_for

    # memcached does not tell.
    assert fresh_for == math.inf or fresh_for and 50 < fresh_for <= 100


def test_an_attempt_that_got_the_lock_is_marked_in_all_its_deliveries(remembers):
    admit(remembers, FIRST)
    again = redelivered(FIRST).token

    marks = told(remembers, SECOND.token, again).marks

    assert marks.keys() == {again}
    assert not marks[again].finished
    assert REMEMBERED / 2 < marks[again].remaining <= REMEMBERED + 2


def test_an_attempt_that_has_finished_is_marked_so(remembers):
    admit(remembers, FIRST)
    remembers.release("key", FIRST.token, finished_for=REMEMBERED)

    assert isinstance(mark := told(remembers, FIRST.token).marks[FIRST.token], Mark)
    assert mark.finished


def test_to_tell_changes_nothing(remembers):
    remembers.acquire("key", FIRST, expire=10)

    told(remembers, FIRST.token)

    held = remembers.get("key")
    assert held and held.record.token == FIRST.token


def test_another_prefix_has_its_own(remembers):
    admit(remembers, FIRST)
    other = remembers.with_prefix("shop:")
    assert isinstance(other, Remembers)
    assert told(other, FIRST.token) == Remembered(None, {})

    admit(other, FIRST)

    assert told(other, FIRST.token).marks.keys() == {FIRST.token}
