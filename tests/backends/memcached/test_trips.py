"""How often memcached is asked, and answers that are lost."""

from typing import Any

import pytest

from tests.backends.stores import FIRST, REMEMBERED
from unique_task.backends.memcached import MemcachedBackend
from unique_task.backends.steps import Acquired, Renewal, Renewed


@pytest.fixture
def backend(memcached_url: str) -> MemcachedBackend:
    return MemcachedBackend(memcached_url)


def test_a_lock_is_taken_by_one_trip_and_released_by_two(memcached_proxy):
    """To release it, its number is read first: no command compares the token."""
    backend = MemcachedBackend(memcached_proxy.url)
    backend.get("key")
    before = memcached_proxy.requests

    backend.acquire("key", FIRST, expire=10)
    assert memcached_proxy.requests == before + 1
    backend.release("key", FIRST.token)
    assert memcached_proxy.requests == before + 3
    backend.reserve("key", FIRST, expire=10, replaceable=False)
    assert memcached_proxy.requests == before + 4


def test_a_lock_is_renewed_by_two_trips(memcached_proxy):
    """Read and written; more is read only where the lock is not held."""
    backend = MemcachedBackend(memcached_proxy.url)
    backend.acquire("key", FIRST, expire=10)
    before = memcached_proxy.requests

    assert backend.renew([Renewal("key", FIRST, None, 10)]) == [Renewed.HELD]
    assert memcached_proxy.requests == before + 2


@pytest.mark.parametrize("request_start", [b"add ", b"mg "])
@pytest.mark.parametrize("remember_for", [0, REMEMBERED])
def test_an_acquisition_whose_answer_was_lost_is_ours(
    memcached_proxy, backend, request_start, remember_for
):
    through_proxy: Any = MemcachedBackend(memcached_proxy.url)
    through_proxy.get("key")
    memcached_proxy.swallow_replies(1, to=request_start)

    taken = through_proxy.acquire("key", FIRST, 10, remember_for=remember_for)

    assert isinstance(taken, Acquired)
    assert backend.get("key").record.token == FIRST.token


def test_a_release_whose_answer_was_lost_has_freed_the_lock(memcached_proxy, backend):
    through_proxy = MemcachedBackend(memcached_proxy.url)
    through_proxy.acquire("key", FIRST, expire=10)
    memcached_proxy.swallow_replies(1, to=b"md ")

    assert through_proxy.release("key", FIRST.token)
    assert backend.get("key") is None
    assert not through_proxy.release("key", FIRST.token)


def test_a_release_that_was_not_sent_is_not_taken_for_done(memcached_proxy, backend):
    through_proxy = MemcachedBackend(memcached_proxy.url)
    through_proxy.acquire("key", FIRST, expire=10)
    assert backend.release("key", FIRST.token)
    memcached_proxy.drop()

    assert not through_proxy.release("key", FIRST.token)
