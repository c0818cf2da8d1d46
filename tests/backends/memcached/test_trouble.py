"""Locks in a memcached that is out of order, or that other programs use too."""

import math
from typing import Any

import pytest
from pymemcache.client.base import Client
from pymemcache.exceptions import MemcacheUnexpectedCloseError

from tests.backends.stores import (
    FIRST,
    LEASE,
    REMEMBERED,
    SECOND,
    connect,
    in_time,
    redelivered,
)
from tests.servers import MemcachedServer
from unique_task import ConfigurationError, LockRecordError, LockStoreError
from unique_task.backends.cells import Cell
from unique_task.backends.memcached import MemcachedBackend
from unique_task.backends.memcached.cells import _answers, _merged
from unique_task.backends.steps import (
    Acquired,
    Finished,
    Held,
    Renewal,
    Renewed,
    Stored,
)

LOCK = "unique:key:lock"


@pytest.fixture
def backend(memcached_url: str) -> MemcachedBackend:
    return MemcachedBackend(memcached_url)


@pytest.fixture
def client(memcached: MemcachedServer) -> Client:
    return memcached.client


# A server out of order


def test_a_server_that_refuses_is_a_store_error_that_names_it(memcached_proxy):
    backend: Any = MemcachedBackend(memcached_proxy.url)
    memcached_proxy.cut()

    with pytest.raises(LockStoreError, match=memcached_proxy.url):
        backend.acquire("key", FIRST, expire=10)


@pytest.mark.parametrize("connected", [True, False])
def test_a_server_that_hangs_is_given_up_in_time(memcached_proxy, connected):
    backend: Any = MemcachedBackend(memcached_proxy.url, timeout=0.4)
    if connected:
        connect(backend)
    memcached_proxy.hang()

    with in_time(0.4), pytest.raises(LockStoreError):
        backend.acquire("key", FIRST, expire=10)


def test_connections_that_the_server_closed_are_no_error(memcached_proxy):
    backend: Any = MemcachedBackend(memcached_proxy.url)
    backend.get("key")
    memcached_proxy.drop()

    assert isinstance(backend.acquire("key", FIRST, expire=10), Acquired)


def test_an_interrupted_answer_is_not_read_by_the_next_request(backend, monkeypatch):
    backend.acquire("key", FIRST, expire=10)
    client = connected(backend)
    sent = client.raw_command

    def interrupted(*args: Any) -> None:
        client.sock.sendall(b"mn\r\n")  # whose answer nobody reads
        monkeypatch.setattr(client, "raw_command", sent)
        raise KeyboardInterrupt

    monkeypatch.setattr(client, "raw_command", interrupted)
    with pytest.raises(KeyboardInterrupt):
        backend.get("key")

    assert backend.get("key").record.token == FIRST.token


def test_a_value_that_is_too_big_is_an_error_and_changes_nothing(backend):
    backend.acquire("key", FIRST, expire=10)

    with pytest.raises(LockStoreError, match="too large"):
        backend.release("key", FIRST.token, value=b"x" * 2_000_000, fresh_for=10)

    assert backend.release("key", FIRST.token)


def test_a_server_that_is_slow_has_no_more_time_in_all(memcached_proxy):
    # Each answer comes in time for one; but there are several.
    backend: Any = MemcachedBackend(memcached_proxy.url, timeout=1)
    connect(backend)
    memcached_proxy.delay(0.4)

    # An answer is too late for itself only if the machine holds it up.
    with in_time(1), pytest.raises(LockStoreError, match="too slow|timed out"):
        backend.acquire("key", FIRST, 10, remember_for=REMEMBERED, generation=1)


def test_a_server_that_is_down_costs_its_own_leases_only(
    memcached, memcached_url, own_memcached
):
    """And all of them take no longer than one operation may."""
    servers = [memcached_url, own_memcached.url.removeprefix("memcached://")]
    backend: Any = MemcachedBackend(";".join(servers), timeout=4)
    renewals = [Renewal(f"key {n}", FIRST, None, 20) for n in range(30)]
    for renewal in renewals:
        backend.acquire(renewal.key, FIRST, expire=LEASE)
    there = [backend._hash.get_node(one.key) == servers[1] for one in renewals]
    own_memcached.pause()

    with in_time(4):
        outcomes = backend.renew(renewals)

    unknown = [one is Renewed.UNKNOWN for one in outcomes]
    assert unknown == there and 0 < sum(there) < 30
    assert set(outcomes) == {Renewed.HELD, Renewed.UNKNOWN}
    alone = [one for one, is_there in zip(renewals, there) if is_there]
    with pytest.raises(LockStoreError):
        backend.renew(alone)


# What others wrote


def test_a_lock_of_a_newer_version_is_left_alone(backend, client):
    newer = b"2 17 new/0/0//ab running w t p"
    client.set(LOCK, newer, expire=100, noreply=False)

    with pytest.raises(LockRecordError):
        backend.acquire("key", FIRST, expire=10)
    assert not backend.release("key", FIRST.token)
    assert backend.renew([Renewal("key", FIRST, 1, 10)]) == [Renewed.TAKEN]
    assert client.get(LOCK) == newer


def test_a_lock_that_was_kept_by_hand_stands_for_ever(backend, client):
    backend.acquire("key", FIRST, expire=10)
    client.set(LOCK, client.get(LOCK), expire=0, noreply=False)

    refused = backend.acquire("key", SECOND, expire=10)

    assert isinstance(refused, Held)
    assert refused.remaining == float("inf")


# Of an answer in several packets, the client may drop all but the last.

WHOLE = b"VA 8 t-1 c7\r\nadmitted\r\nEN\r\n"


def test_an_answer_is_read_as_a_whole():
    found, missing = _answers(WHOLE, 2)

    assert found == (Cell(b"admitted", math.inf), "7")
    assert missing is None


@pytest.mark.parametrize("start", range(1, len(WHOLE)))
def test_a_part_of_an_answer_is_none(start):
    with pytest.raises(MemcacheUnexpectedCloseError):
        _answers(WHOLE[start:], 2)


def connected(backend: MemcachedBackend) -> Any:
    """Return the client that the backend uses next."""
    backend.get("key")
    [clients] = backend._nodes.values()
    return clients._idle[-1]


def test_who_was_overtaken_between_reading_and_taking_finds_that_out(backend):
    """The attempt's first delivery runs and ends after the second has looked."""
    again = redelivered(FIRST)
    client = connected(backend)
    add = client.add

    def overtaken(*args):
        client.add = add
        backend.acquire("key", FIRST, 10, remember_for=REMEMBERED)
        backend.release("key", FIRST.token, finished_for=REMEMBERED)
        return add(*args)

    client.add = overtaken
    assert backend.acquire("key", again, 10, remember_for=REMEMBERED) == Finished()
    assert backend.get("key") is None


def test_a_value_that_comes_between_reading_and_taking_is_not_overlooked(backend):
    client = connected(backend)
    add = client.add

    def overtaken(*args):
        client.add = add
        backend.acquire("key", SECOND, 10)
        backend.release("key", SECOND.token, value=b"value", fresh_for=10)
        return add(*args)

    client.add = overtaken
    assert backend.acquire("key", FIRST, 10, accept_value=True) == Stored(b"value")
    assert backend.get("key") is None


@pytest.mark.parametrize(
    "before, found, own, merged",
    [
        # Two messages were notified at one time.
        ("9 0", "9 5", "9 7", "9 7"),
        ("9 0", "9 7", "9 5", "9 7"),
        # Two replaced the same message, in turn.
        (None, "12 0", "10 0", "12 0"),
        ("9 0", "12 9", "10 0", "12 9"),
        # The lock was given back, and a message was notified.
        ("9 0", "9 7", "5 0", "5 7"),
        ("9 0", "5 0", "9 7", "5 7"),
        # The lock was given back, and a message was replaced at once.
        ("9 0", "12 0", "5 0", "12 0"),
    ],
)
def test_what_two_make_of_who_was_replaced_is_kept_of_both(before, found, own, merged):
    cells = [text and Cell(text.encode(), 10) for text in (before, found, own)]

    assert _merged(*cells).content == merged.encode()


def test_a_password_is_not_told():
    with pytest.raises(ConfigurationError) as error:
        MemcachedBackend("memcached://shop:sesame@host:11211")

    assert "sesame" not in str(error.value)
