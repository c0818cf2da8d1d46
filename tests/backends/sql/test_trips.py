"""How often a database is asked."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.backends.stores import FIRST, SECOND, record_of
from tests.servers import Proxy
from unique_task.backends.sql import SQLBackend
from unique_task.backends.steps import Acquired, Held, Renewal


@pytest.fixture
def proxy(url: str) -> Iterator[Proxy]:
    with Proxy(url) as proxy:
        yield proxy


@pytest.fixture
def backend(proxy: Proxy) -> Any:
    """Connected, and with all statements prepared."""
    backend: Any = SQLBackend(proxy.url)
    backend.check()
    backend.reserve("another", FIRST, 10, replaceable=False)
    backend.acquire("another", SECOND, 10, take_over_from=[FIRST.token])
    return backend


def test_a_lock_is_taken_and_released_by_one_trip_each(backend, proxy):
    before = proxy.requests

    backend.acquire("key", FIRST, expire=10)
    assert proxy.requests == before + 1
    backend.release("key", FIRST.token)
    assert proxy.requests == before + 2


def test_a_lock_is_reserved_by_one_trip(backend, proxy):
    before = proxy.requests

    reserved = backend.reserve("key", FIRST, expire=10, replaceable=False)

    assert proxy.requests == before + 1
    assert (reserved.since, reserved.replaced) == (0, None)
    assert backend.get("key").record.fence == reserved.fence


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_reserved_lock_is_taken_over_by_one_trip(backend, proxy):
    backend.reserve("key", FIRST, expire=10, replaceable=False)
    before = proxy.requests

    taken = backend.acquire("key", SECOND, 10, take_over_from=[FIRST.token])

    assert isinstance(taken, Acquired)
    assert proxy.requests == before + 1


def test_who_is_refused_asks_twice(backend, proxy):
    """A statement that takes nothing does not tell the holder."""
    backend.acquire("key", FIRST, expire=10)
    before = proxy.requests

    assert isinstance(backend.acquire("key", SECOND, expire=10), Held)

    assert proxy.requests == before + 2


def test_ten_leases_are_renewed_by_one_trip(backend, proxy):
    records = [record_of(f"task {number}") for number in range(10)]
    renewals = [
        Renewal(one.owner, one, backend.acquire(one.owner, one, 10).fence, 9)
        for one in records
    ]
    before = proxy.requests

    backend.renew(renewals)

    assert proxy.requests == before + 1
