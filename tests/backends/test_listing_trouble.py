"""Lists of locks in a store that does not answer in the middle."""

from typing import Any

import pytest

from tests.backends.stores import FIRST, LEASE, connect, in_time, open_store
from tests.servers import Proxy
from unique_task import LockStoreError
from unique_task.backends.listing import Lists
from unique_task.backends.registry import backend_class

#: Seconds of one operation; of which a page is three at most.
TIMEOUT = 1


@pytest.fixture(params=["redis_url", "postgresql_url", "mariadb_url"])
def proxy(request: pytest.FixtureRequest) -> Any:
    with Proxy(request.getfixturevalue(request.param)) as proxy:
        yield proxy


@pytest.fixture
def lists(proxy: Proxy) -> Lists:
    patient = open_store(proxy.url)
    for number in range(100):
        patient.acquire(f"key-{number:03d}", FIRST, LEASE)
    backend = backend_class(proxy.url).from_url(proxy.url, timeout=TIMEOUT)
    assert isinstance(backend, Lists)
    connect(backend)
    return backend


@pytest.mark.parametrize("trouble", ["cut", "hang"])
def test_a_store_that_stops_to_answer_is_an_error_after_what_it_gave(
    lists, proxy, trouble
):
    found, stream = [], lists.locks(page=10)
    found.append(next(stream))
    getattr(proxy, trouble)()

    with in_time(3 * TIMEOUT), pytest.raises(LockStoreError, match=str(proxy.port)):
        for lock in stream:
            found.append(lock)

    assert 1 <= len(found) < 100
    assert list(stream) == []


def test_a_store_that_answers_again_is_listed_again(lists, proxy):
    stream = lists.locks(page=10)
    next(stream)
    proxy.cut()
    with pytest.raises(LockStoreError):
        list(stream)
    proxy.restore()

    assert len(list(lists.locks(page=10))) == 100


def test_connections_that_break_between_two_pages_are_no_error(lists, proxy):
    stream = lists.locks(page=10)
    next(stream)
    proxy.drop()

    assert len(list(stream)) == 99
