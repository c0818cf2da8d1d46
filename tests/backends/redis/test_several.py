"""Locks in Redis that several hold: what is stored, what it costs, how it changes."""

import pytest
from redis.crc import key_slot

from tests.backends.stores import (
    FIRST,
    LEASE,
    ONE,
    REMEMBERED,
    SECOND,
    record_of,
    records,
    reserve,
    start,
    take_some,
)
from tests.waiting import wait_until
from unique_task import RedisBackend
from unique_task.backends.steps import (
    Acquired,
    Heir,
    Held,
    Leaving,
    Renewal,
    Renewed,
    Replaced,
)

LOCK, HOLDERS, RECORDS = KEYS = [
    f"unique:{{key}}{of}" for of in ("", ":holders", ":records")
]


@pytest.fixture
def old(redis_url: str) -> RedisBackend:
    """A second client, which knows of no limit but one."""
    return RedisBackend(redis_url)


# What is stored


def test_an_anchor_stands_in_the_place_of_a_lock_that_several_hold(backend, client):
    first, second = take_some(backend, 2, limit=3, expire=100)

    assert client.get(LOCK) == f"2 {second.fence}".encode()
    assert client.zrange(HOLDERS, 0, -1) == [
        first.token.encode(),
        second.token.encode(),
    ]
    assert client.hget(RECORDS, first.token) == first.text(first.fence or 0).encode()


def test_all_keys_end_with_the_holder_that_ends_last(backend, client):
    first, second = take_some(backend, 2, limit=3, expire=100)
    assert all(105_000 < client.pttl(key) <= 110_000 for key in KEYS)

    backend.renew([Renewal("key", first, first.fence, 200, limit=3)])
    assert all(195_000 < client.pttl(key) <= 200_000 for key in KEYS)

    backend.release("key", first.token, limit=3)
    assert all(105_000 < client.pttl(key) <= 110_000 for key in KEYS)

    heir = Heir(record_of("heir"), 50)
    backend.release("key", second.token, heir=heir, limit=3)
    assert all(45_000 < client.pttl(key) <= 50_000 for key in KEYS)


def test_nothing_stays_of_several_holders_that_have_left(backend, client):
    for record in take_some(backend, 3, limit=3):
        backend.release("key", record.token, limit=3)

    assert client.keys() == []


def test_nothing_stays_of_several_holders_that_have_ended(backend, client):
    for record in (FIRST, SECOND):
        backend.acquire("key", record, 0.05, limit=2)

    wait_until(lambda: client.keys() == [])


def test_all_keys_of_a_lock_are_in_one_slot_of_a_cluster(cluster_url, redis_cluster):
    backend = RedisBackend(cluster_url)
    for key in ("key", "", "}", "{a}{b}"):
        backend.acquire(key, FIRST, 10, remember_for=10, limit=2)
        backend.acquire(key, SECOND, 10, limit=2)
        leaving = Leaving(FIRST, 10)
        backend.release(key, FIRST.token, leaving=leaving, limit=2)
        names = [name for node in redis_cluster.nodes for name in node.client.keys()]

        assert len(names) == 5
        assert len({key_slot(name.encode()) for name in names}) == 1
        redis_cluster.empty()


# Between one holder and several


def test_who_joins_the_only_holder_makes_it_one_of_several(old, backend, client):
    fence = old.acquire("key", FIRST, expire=LEASE).fence
    assert client.keys() == [LOCK.encode()]

    assert isinstance(backend.acquire("key", SECOND, LEASE + 9, limit=2), Acquired)

    assert sorted(client.keys()) == sorted(key.encode() for key in KEYS)
    held = old.holders("key")
    assert [one.record.token for one in held] == [FIRST.token, SECOND.token]
    assert held[0].record.fence == fence
    assert LEASE - 60 < held[0].remaining <= LEASE


def test_the_only_holder_goes_on_when_it_is_one_of_several(old, backend):
    fence = old.acquire("key", FIRST, expire=10).fence
    backend.acquire("key", SECOND, 10, limit=2)

    assert old.acquire("key", FIRST, expire=10) == Acquired(fence)
    assert old.renew([Renewal("key", FIRST, fence, LEASE)]) == [Renewed.HELD]
    assert old.holders("key")[1].remaining > LEASE - 60
    assert old.release("key", FIRST.token)
    assert not old.release("key", FIRST.token)
    assert records(backend.holders("key"))[0].token == SECOND.token


def test_a_lock_that_several_held_is_taken_by_one_as_ever(old, backend, client):
    [record] = take_some(backend, 1, limit=2)
    assert isinstance(old.acquire("key", FIRST, expire=10), Held)
    backend.release("key", record.token, limit=2)

    old.acquire("key", FIRST, expire=10)

    assert client.keys() == [LOCK.encode()]
    assert client.get(LOCK).startswith(b"1 ")


def test_one_takes_a_lock_as_ever_if_only_the_anchor_is_left(old, backend, client):
    backend.acquire("key", FIRST, 0.05, limit=2)
    client.pexpire(LOCK, 10_000)
    client.persist(HOLDERS)
    client.persist(RECORDS)
    wait_until(lambda: old.get("key") is None)

    one = reserve(old, ONE)

    assert client.keys() == [LOCK.encode()]
    assert client.get(LOCK).endswith(f" {one.fence}".encode())  # it is replaceable


def test_holders_without_their_anchor_are_forgotten(backend, client):
    take_some(backend, 2, limit=2)
    client.delete(LOCK)  # as after a fail-over, or by hand

    assert isinstance(backend.acquire("key", FIRST, 10, limit=1), Acquired)
    assert isinstance(backend.acquire("key", SECOND, 10, limit=2), Acquired)

    tokens = {record.token for record in records(backend.holders("key"))}
    assert tokens == {FIRST.token, SECOND.token}


def test_a_lock_without_an_end_stays_when_another_joins_it(old, backend, client):
    old.acquire("key", FIRST, expire=10)
    client.persist(LOCK)

    backend.acquire("key", SECOND, 10, limit=2)

    assert backend.holders("key")[1].remaining > 1e9


def test_a_message_that_was_replaced_hears_of_the_holder_that_ends_first(old, backend):
    one = reserve(old, ONE)
    two = reserve(old, record_of("two"))
    old.release("key", two.replaced.record.token)
    backend.acquire("key", FIRST, 5, limit=2)

    assert start(old, ONE, generation=one.fence) == Replaced("first")


# Renewals


def test_renewals_of_all_kinds_go_in_two_trips(old, backend, redis_server):
    plain = old.acquire("plain", FIRST, expire=10).fence
    joined = old.acquire("joined", FIRST, expire=10).fence
    backend.acquire("joined", SECOND, 10, limit=2)
    shared = backend.acquire("shared", FIRST, 10, limit=2).fence
    for record in (FIRST, SECOND):
        backend.acquire("full", record, 10, limit=2)
    batch = [
        Renewal("plain", FIRST, plain, 60),
        Renewal("joined", FIRST, joined, 60, REMEMBERED),
        Renewal("shared", FIRST, shared, 60, limit=2),
        Renewal("full", record_of("third"), 1, 60, limit=2),
        Renewal("full", record_of("fourth"), 1, 60),
        Renewal("vanished", FIRST, 1, 60, limit=2),
        Renewal("shared", FIRST, shared, 60, leaving=True, limit=2),
    ]
    old.renew(batch)  # brings the scripts
    old.release("vanished", FIRST.token)
    redis_server.reset_counts()

    outcomes = old.renew(batch)

    held, taken = Renewed.HELD, Renewed.TAKEN
    assert outcomes == [held, held, held, taken, taken, Renewed.RETAKEN, held]
    assert redis_server.command_counts()["evalsha"] == len(batch) + 2
    assert old.holders("joined")[1].remaining > 50


def test_a_lock_that_vanished_is_taken_again_by_as_many_as_it_had(backend, client):
    held = take_some(backend, 3, limit=3)
    client.flushall()

    outcomes = backend.renew(
        [Renewal("key", one, one.fence, LEASE, limit=2) for one in held]
    )

    assert outcomes == [Renewed.RETAKEN, Renewed.RETAKEN, Renewed.TAKEN]
    assert records(backend.holders("key")) == held[:2]


# What it costs


def test_one_of_several_is_taken_and_freed_in_one_round_trip_each(backend, redis_proxy):
    through_proxy = RedisBackend(redis_proxy.url)
    take_some(through_proxy, 2, limit=3)
    through_proxy.release("key", FIRST.token, limit=3)
    before = redis_proxy.requests

    assert isinstance(through_proxy.acquire("key", FIRST, 10, limit=3), Acquired)
    assert through_proxy.release("key", FIRST.token, limit=3)

    assert redis_proxy.requests - before == 2


def test_who_wants_the_lock_alone_needs_a_second_trip_only_beside_several(
    backend, redis_server
):
    take_some(backend, 1, limit=2)
    backend.acquire("another", FIRST, 10)
    redis_server.reset_counts()

    assert isinstance(backend.acquire("key", FIRST, 10), Held)
    assert redis_server.command_counts()["evalsha"] == 2
    backend.acquire("another", SECOND, 10)
    assert redis_server.command_counts()["evalsha"] == 3


def test_one_of_a_thousand_takes_as_many_commands_as_one_of_two(backend, redis_server):
    commands = []
    [record] = take_some(backend, 1, limit=1000)
    backend.release("key", record.token, limit=1000)  # brings the script
    for count in (1, 999):
        redis_server.client.flushdb()
        take_some(backend, count, limit=1000)
        redis_server.reset_counts()
        backend.acquire("key", FIRST, 10, limit=1000)
        backend.release("key", FIRST.token, limit=1000)
        commands.append(redis_server.command_counts())

    assert commands[0] == commands[1]
    assert sum(commands[0].values()) <= 18


def test_those_that_have_ended_are_removed_by_those_that_come(backend, client):
    for number in range(50):
        backend.acquire("key", record_of(f"{number}"), 0.01, limit=100)
    wait_until(lambda: len(backend.holders("key")) == 0)
    backend.acquire("key", FIRST, LEASE, limit=100)
    for number in range(50):
        backend.acquire("key", record_of(f"{number}"), 0.01, limit=100)
    wait_until(lambda: len(backend.holders("key")) == 1)

    for _ in range(4):
        backend.acquire("key", record_of("another"), LEASE, limit=100)

    assert client.zcard(HOLDERS) == client.hlen(RECORDS) == 5
