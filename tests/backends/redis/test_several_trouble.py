"""Locks that several hold, in a Redis that fails or has keys of others."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.backends.redis.test_several import HOLDERS, LOCK, RECORDS
from tests.backends.redis.test_trouble import NEWER
from tests.backends.stores import FIRST, ONE, SECOND, record_of, records, take_some
from unique_task import LockRecordError, LockStoreError, RedisBackend
from unique_task.backends.steps import (
    Acquired,
    Finished,
    Heir,
    Renewal,
    Renewed,
    Reserved,
)

BOTH: Any = {"limit": 2}


# Answers that were lost


@pytest.fixture
def losing(backend: RedisBackend, redis_proxy: Any) -> RedisBackend:
    """One that has the scripts, and loses its next answer."""
    losing = RedisBackend(redis_proxy.url)
    for record in (FIRST, SECOND):
        losing.acquire("another", record, 10, **BOTH)
    losing.reserve("another", ONE, 10, replaceable=False, **BOTH)
    losing.renew([Renewal("another", FIRST, 1, 10)])
    for record in (FIRST, SECOND):
        losing.release("another", record.token)
    redis_proxy.swallow_replies(1, to=b"EVALSHA")
    return losing


def test_a_place_whose_answer_was_lost_is_ours(losing, backend):
    taken = losing.acquire("key", FIRST, 10, **BOTH)

    assert isinstance(taken, Acquired)
    assert [one.fence for one in records(backend.holders("key"))] == [taken.fence]


def test_a_take_over_whose_answer_was_lost_is_ours(losing, backend):
    one, other = take_some(backend, 2, **BOTH)

    taken = losing.acquire("key", FIRST, 10, take_over_from=[one.token], **BOTH)

    assert isinstance(taken, Acquired)
    held = {record.token: record.fence for record in records(backend.holders("key"))}
    assert held == {FIRST.token: taken.fence, other.token: other.fence}


def test_a_reservation_whose_answer_was_lost_is_ours(losing, backend):
    taken = losing.reserve("key", ONE, 10, replaceable=False, **BOTH)

    assert isinstance(taken, Reserved)
    assert [one.fence for one in records(backend.holders("key"))] == [taken.fence]


@pytest.mark.parametrize("limit", [1, 2])
def test_a_release_whose_answer_was_lost_has_freed_the_place(losing, backend, limit):
    backend.acquire("key", FIRST, 10, **BOTH)
    [other] = take_some(backend, 1, **BOTH)

    assert losing.release("key", FIRST.token, finished_for=5, limit=limit)
    assert records(backend.holders("key")) == [other]
    assert losing.acquire("key", FIRST, 10, remember_for=5, **BOTH) == Finished()


def test_a_lost_answer_that_several_hold_the_lock_frees_nothing(losing, backend):
    take_some(backend, 1, **BOTH)

    assert not losing.release("key", FIRST.token)


def test_a_renewal_whose_answer_was_lost_is_done(losing, backend):
    backend.acquire("key", FIRST, 10, **BOTH)

    assert losing.renew([Renewal("key", FIRST, 1, 60, **BOTH)]) == [Renewed.HELD]
    assert backend.get("key").remaining > 50


def test_the_first_trip_of_renewals_counts_if_the_second_fails(backend, redis_proxy):
    through_proxy = RedisBackend(redis_proxy.url, timeout=0.4)
    taken: Any = through_proxy.acquire("key", FIRST, 10)
    take_some(backend, 1, limit=3)
    batch = [Renewal("plain", FIRST, 1, 60), Renewal("key", FIRST, taken.fence, 60)]
    through_proxy.renew(batch)
    through_proxy.release("plain", FIRST.token)
    seen = []

    def lose_the_second(reply: bytes) -> tuple[bytes, bool]:
        seen.append(reply)
        return (reply, True) if len(seen) == 1 else (b"", False)

    redis_proxy.change_replies(lose_the_second)

    outcomes = through_proxy.renew(batch)

    assert outcomes == [Renewed.RETAKEN, Renewed.UNKNOWN]


def test_a_server_that_lost_the_scripts_gets_them_again(backend, client):
    steps: list[Callable[[], object]] = [
        lambda: backend.acquire("key", FIRST, 10, **BOTH),
        lambda: backend.reserve("key", ONE, 10, replaceable=False, **BOTH),
        lambda: backend.renew([Renewal("key", FIRST, 1, 10, **BOTH)])[0],
        lambda: backend.holders("key")[1],
        lambda: backend.get("key"),
        lambda: backend.release("key", FIRST.token, **BOTH),
        lambda: backend.release("key", ONE.token),
    ]
    for step in steps:
        client.script_flush()
        assert step()

    assert client.keys() == []


# A server out of memory


def test_a_server_out_of_memory_still_frees_places_and_hands_them_on(own_redis):
    backend, client = RedisBackend(own_redis.url), own_redis.client
    first, second, third = take_some(backend, 3, limit=3)
    client.config_set("maxmemory", "1")

    assert backend.release("key", third.token, finished_for=10, limit=3)
    assert backend.release("key", first.token, heir=Heir(FIRST, 10), limit=3)
    with pytest.raises(LockStoreError):
        backend.acquire("key", SECOND, 10, limit=3)

    tokens = [one.token for one in records(backend.holders("key"))]
    assert tokens == [FIRST.token, second.token]
    for token in tokens:
        assert backend.release("key", token, limit=3)
    assert not client.exists(LOCK, HOLDERS, RECORDS)


def test_a_server_out_of_memory_takes_no_place_halfway(own_redis):
    backend, client = RedisBackend(own_redis.url), own_redis.client
    backend.acquire("key", FIRST, 10)
    client.config_set("maxmemory", "1")

    with pytest.raises(LockStoreError):
        backend.acquire("key", SECOND, 10, **BOTH)

    client.config_set("maxmemory", "0")
    assert [one.token for one in records(backend.holders("key"))] == [FIRST.token]


# Keys of others


def test_a_key_of_another_type_is_a_store_error(backend, client):
    client.lpush(LOCK, "item")
    steps: list[Callable[[], object]] = [
        lambda: backend.acquire("key", FIRST, 10, **BOTH),
        lambda: backend.reserve("key", ONE, 10, replaceable=False, **BOTH),
        lambda: backend.release("key", FIRST.token, **BOTH),
        lambda: backend.holders("key"),
    ]
    for step in steps:
        with pytest.raises(LockStoreError, match="WRONGTYPE"):
            step()
    other = Renewal("another", FIRST, 1, 10, **BOTH)
    renewed = backend.renew([Renewal("key", FIRST, 1, 10, **BOTH), other])

    assert renewed == [Renewed.TAKEN, Renewed.RETAKEN]
    assert client.lrange(LOCK, 0, -1) == [b"item"]


@pytest.mark.parametrize("name", [HOLDERS, RECORDS])
def test_a_key_of_another_type_beside_the_lock_is_left_alone(backend, client, name):
    client.set(name, "item")
    backend.acquire("key", FIRST, 10)

    with pytest.raises(LockStoreError, match="WRONGTYPE"):
        backend.acquire("key", SECOND, 10, **BOTH)

    assert client.get(name) == b"item"
    assert backend.get("key").record.token == FIRST.token
    assert backend.release("key", FIRST.token)


@pytest.mark.parametrize("text", NEWER.values(), ids=NEWER)
def test_a_lock_of_a_newer_version_is_left_alone(backend, client, text):
    client.set(LOCK, text, px=10_000)

    steps: list[Callable[[], object]] = [
        lambda: backend.acquire("key", FIRST, 100, limit=7),
        lambda: backend.reserve("key", ONE, 100, replaceable=False, limit=7),
        lambda: backend.holders("key"),
    ]
    for step in steps:
        with pytest.raises(LockRecordError):
            step()
    assert not backend.release("key", FIRST.token, limit=7)
    assert backend.renew([Renewal("key", FIRST, 1, 100, limit=7)]) == [Renewed.TAKEN]

    assert client.get(LOCK) == text
    assert 0 < client.pttl(LOCK) <= 10_000


def test_a_holder_whose_record_is_gone_keeps_its_place(backend, client):
    first, _ = take_some(backend, 2, **BOTH)
    client.hdel(RECORDS, first.token)

    with pytest.raises(LockRecordError):
        backend.acquire("key", record_of("third"), 10, **BOTH)

    assert backend.release("key", first.token, **BOTH)
    assert isinstance(backend.acquire("key", FIRST, 10, **BOTH), Acquired)
