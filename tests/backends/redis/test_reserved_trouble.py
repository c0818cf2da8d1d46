"""Reservations in a Redis that fails, or loses answers."""

import pytest

from tests.backends.stores import FIRST, ONE, SECOND, TWO, reserve, start
from unique_task import LockRecordError, LockStoreError, RedisBackend
from unique_task.backends.steps import Acquired, Heir, Held, Replaced, Reserved

# A server out of order


def test_a_server_out_of_memory_still_gives_back_and_hands_on(own_redis):
    backend = RedisBackend(own_redis.url)
    two = [reserve(backend, message) for message in (ONE, TWO)][1]
    backend.acquire("another", FIRST, expire=10)
    own_redis.client.config_set("maxmemory", "1")

    assert backend.restore("key", TWO.token, two.replaced)
    assert backend.release("another", FIRST.token, heir=Heir(SECOND, 10))

    own_redis.client.config_set("maxmemory", "0")
    held = [backend.get(key) for key in ("key", "another")]
    assert [one.record.token for one in held if one] == [ONE.token, SECOND.token]


def test_a_server_out_of_memory_replaces_no_message_halfway(own_redis):
    backend = RedisBackend(own_redis.url)
    one = reserve(backend, ONE)
    own_redis.client.config_set("maxmemory", "1")

    with pytest.raises(LockStoreError):
        reserve(backend, TWO)

    own_redis.client.config_set("maxmemory", "0")
    assert isinstance(start(backend, ONE, generation=one.fence), Acquired)


def test_a_reservation_whose_answer_was_lost_is_ours(redis_proxy, backend, warm):
    backend.reserve("key", ONE, expire=10)
    through_proxy = RedisBackend(redis_proxy.url)
    reserve(through_proxy, ONE)
    redis_proxy.swallow_replies(1, to=b"EVALSHA")

    two = reserve(through_proxy, TWO)

    assert isinstance(two, Reserved)
    assert backend.get("key").record.fence == two.fence
    assert isinstance(start(backend, TWO, generation=two.fence), Acquired)


#: The text under the name of a lock -> whether it can be read.
ODD = {
    "newer": (b"2 17 task-1/0/0//ab pending  task  17", False),
    "no record": (b"a text of somebody else", False),
    "empty": (b"", False),
    "bytes": (b"\x82\xa7version\x02\xff", False),
    "a process": (b"1 17 task-1/0/0//ab pending  task host/1/2 17", True),
    "running": (b"1 17 task-1/0/0//ab running  task  17", True),
    "longer": (b"1 17 task-1/0/0//ab pending  task  17 more", True),
}


@pytest.mark.parametrize("text, readable", ODD.values(), ids=ODD)
def test_a_lock_not_known_as_replaceable_is_left_alone(backend, client, text, readable):
    client.set("unique:{key}", text, px=10_000)

    if readable:
        assert isinstance(reserve(backend, ONE, replace_within=1e12), Held)
    else:
        with pytest.raises(LockRecordError):
            reserve(backend, ONE, replace_within=1e12)
    assert not backend.restore("key", ONE.token, Held(SECOND, 10))

    assert client.get("unique:{key}") == text
    assert 0 < client.pttl("unique:{key}") <= 10_000
    # And the record that gets the lock if it is given back to this one.
    assert client.dbsize() == 2


def test_a_key_of_another_type_is_a_store_error(backend, client):
    client.lpush("unique:{key}", "item")
    client.lpush("unique:{another}:generation", "item")

    for step in (reserve, start):
        with pytest.raises(LockStoreError, match="WRONGTYPE"):
            step(backend, ONE)
    with pytest.raises(LockStoreError, match="WRONGTYPE"):
        backend.restore("key", ONE.token, Held(SECOND, 10))
    with pytest.raises(LockStoreError, match="WRONGTYPE"):
        start(backend, ONE, key="another", generation=1)


def test_a_replaced_message_learns_no_owner_of_a_newer_version(backend, client):
    one = reserve(backend, ONE)
    reserve(backend, TWO)
    assert start(backend, ONE, generation=one.fence) == Replaced("two")
    client.set("unique:{key}", b"2 17 task-1/0/0//ab running", px=10_000)

    with pytest.raises(LockRecordError):
        start(backend, ONE, generation=one.fence)
