"""What every store of locks does for a message that waits for longer than it wanted."""

import math
from dataclasses import replace

import pytest

from tests.backends.stores import FIRST, SECOND
from unique_task.backends.steps import Held, Reserved


@pytest.fixture
def waiting():
    return replace(FIRST, state="pending", process="")


def test_a_message_that_waits_for_longer_can_still_be_replaced(backend, waiting):
    backend.reserve("key", waiting, expire=10)

    backend.acquire("key", waiting, expire=20, take_over_from=[waiting.token])

    assert backend.get("key").remaining > 10
    answer = backend.reserve("key", SECOND, expire=10, replace_within=math.inf)
    assert isinstance(answer, Reserved) and answer.replaced
    assert answer.replaced.record.token == waiting.token


def test_a_message_that_waits_for_longer_cannot_be_replaced_if_it_could_not_be(
    backend, waiting
):
    backend.reserve("key", waiting, expire=10, replaceable=False)

    backend.acquire("key", waiting, expire=20, take_over_from=[waiting.token])

    answer = backend.reserve("key", SECOND, expire=10, replace_within=math.inf)
    assert isinstance(answer, Held)


def test_a_message_that_waits_for_longer_still_waits_since_it_was_published(
    backend, waiting
):
    since = backend.reserve("key", waiting, expire=10).fence

    backend.acquire("key", waiting, expire=20, take_over_from=[waiting.token])

    held = backend.get("key")
    assert held is not None
    assert held.record.first == since
