"""Locks in a Redis that fails, hangs, restarts or holds keys of others."""

from contextlib import suppress

import pytest
from redis import Redis

from tests.backends.stores import FIRST, SECOND, connect, in_time, record_of
from tests.servers import RedisServer
from unique_task import LockRecordError, LockStoreError, RedisBackend
from unique_task.backends.steps import Acquired, Held, Renewal, Renewed

#: Values that a newer version may have left: text, or anything else.
NEWER = {
    "text": b"2 17 3 task-1/0/0//ab task-2/0/0//cd",
    "the same form": b"2 17 task-1/0/0//ab running worker task",
    "bytes": b"\x82\xa7version\x02\xff",
}


# A server out of order


def test_a_server_that_refuses_is_a_store_error_that_names_it(backend, redis_proxy):
    backend = RedisBackend(redis_proxy.url)
    redis_proxy.cut()

    with pytest.raises(LockStoreError, match=redis_proxy.url):
        backend.acquire("key", FIRST, expire=10)


@pytest.mark.parametrize("connected", [True, False])
def test_a_server_that_hangs_is_given_up_in_time(redis_proxy, connected):
    backend = RedisBackend(redis_proxy.url, timeout=0.4)
    if connected:
        connect(backend)
    redis_proxy.hang()
    before = redis_proxy.requests

    with in_time(0.4), pytest.raises(LockStoreError):
        backend.acquire("key", FIRST, expire=10)

    # It is not asked again.
    assert redis_proxy.requests - before <= 1


@pytest.mark.parametrize("seconds", [0.1, 0.2, 0.29])
def test_the_answers_of_a_slow_server_share_one_deadline(redis_proxy, seconds):
    # Each answer comes within its own limit; to connect takes several.
    backend = RedisBackend(f"{redis_proxy.url.removesuffix('/0')}/1", timeout=0.6)
    redis_proxy.delay(seconds)

    with in_time(0.6), suppress(LockStoreError):
        backend.acquire("key", FIRST, expire=10)


def test_a_connection_that_the_server_closed_is_no_error(warm, redis_server):
    redis_server.client.client_kill_filter(_type="normal")

    assert isinstance(warm.acquire("key", FIRST, expire=10), Acquired)


def test_a_server_that_was_restarted_is_used_again(own_redis):
    backend = RedisBackend(own_redis.url)
    record = record_of("earlier")
    backend.acquire("key", record, expire=10)
    own_redis.restart()

    assert isinstance(backend.acquire("key", FIRST, expire=10), Acquired)


def test_an_acquisition_whose_answer_was_lost_is_ours(redis_proxy, backend, warm):
    through_proxy = RedisBackend(redis_proxy.url)
    redis_proxy.swallow_replies(1, to=b"EVALSHA")

    taken = through_proxy.acquire("key", FIRST, expire=10)

    assert isinstance(taken, Acquired)
    assert backend.get("key").record.fence == taken.fence


def test_a_take_over_whose_answer_was_lost_is_ours(redis_proxy, backend, warm):
    warm.acquire("key", SECOND, expire=10)
    through_proxy = RedisBackend(redis_proxy.url)
    redis_proxy.swallow_replies(1, to=b"EVALSHA")

    taken = through_proxy.acquire(
        "key", FIRST, expire=10, take_over_from=[SECOND.token]
    )

    assert isinstance(taken, Acquired)
    assert backend.get("key").record.fence == taken.fence


@pytest.mark.parametrize(
    "more", [{}, {"finished_for": 5}, {"value": b"1", "fresh_for": 5}]
)
def test_a_release_whose_answer_was_lost_has_freed_the_lock(
    redis_proxy, backend, warm, more
):
    through_proxy = RedisBackend(redis_proxy.url)
    through_proxy.acquire("key", FIRST, expire=10)
    redis_proxy.swallow_replies(1, to=b"EVALSHA")

    assert through_proxy.release("key", FIRST.token, **more)
    assert backend.get("key") is None
    # The first answer to this one arrives.
    assert not through_proxy.release("key", FIRST.token, **more)


def test_a_server_that_lost_the_scripts_gets_them_again(warm, redis_server):
    redis_server.client.script_flush()
    assert isinstance(warm.acquire("key", FIRST, expire=10), Acquired)

    redis_server.client.script_flush()
    assert warm.release("key", FIRST.token)


def test_a_server_that_lost_the_scripts_gets_them_again_for_all_renewals(
    warm, redis_server
):
    taken = warm.acquire("key", FIRST, expire=10)
    held = Renewal("key", FIRST, taken.fence, 10)
    free = Renewal("free", FIRST, 1, 10)
    leaving = Renewal("key", FIRST, 1, 10, leaving=True)
    redis_server.client.script_flush()

    outcomes = warm.renew([held, leaving, free])

    assert outcomes == [Renewed.HELD, Renewed.HELD, Renewed.RETAKEN]
    redis_server.reset_counts()
    assert warm.renew([held, leaving, free]) == [Renewed.HELD] * 3
    assert redis_server.command_counts()["evalsha"] == 3
    assert "eval" not in redis_server.command_counts()


def test_a_lock_that_vanished_is_noticed_if_the_script_beside_it_is_lost(
    warm, redis_server
):
    redis_server.client.script_flush()
    warm.renew([Renewal("another", FIRST, 1, 10)])  # brings one of two scripts
    leaving = Renewal("key", FIRST, 1, 10, leaving=True)

    outcomes = warm.renew([Renewal("vanished", FIRST, 1, 10), leaving])

    assert outcomes == [Renewed.RETAKEN, Renewed.HELD]


def test_a_server_out_of_memory_still_frees(own_redis):
    backend = RedisBackend(own_redis.url)
    record = record_of("holder")
    backend.acquire("key", record, expire=10)
    own_redis.client.config_set("maxmemory", "1")

    assert backend.release("key", record.token, value=b"value", fresh_for=10)

    assert not own_redis.client.exists("unique:{key}")


@pytest.fixture
def no_lock(redis_server: RedisServer, backend: RedisBackend) -> str:
    """A key of another type than text."""
    backend.acquire("list", FIRST, expire=10)
    [name] = redis_server.client.keys()
    redis_server.client.delete(name)
    redis_server.client.lpush(name, "item")
    return "list"


def test_a_key_of_another_type_is_a_store_error(backend, no_lock):
    with pytest.raises(LockStoreError, match="WRONGTYPE"):
        backend.acquire(no_lock, FIRST, expire=10)
    with pytest.raises(LockStoreError, match="WRONGTYPE"):
        backend.release(no_lock, FIRST.token)
    with pytest.raises(LockStoreError, match="WRONGTYPE"):
        backend.get(no_lock)


def test_a_key_of_another_type_does_not_stop_the_renewal_of_others(backend, no_lock):
    fence = backend.acquire("key", FIRST, expire=10).fence

    outcomes = backend.renew(
        [Renewal(no_lock, FIRST, fence, 100), Renewal("key", FIRST, fence, 100)]
    )

    assert outcomes == [Renewed.TAKEN, Renewed.HELD]


# A lock of a newer version


@pytest.fixture(params=NEWER)
def newer(
    request: pytest.FixtureRequest, redis_server: RedisServer, backend: RedisBackend
) -> bytes:
    """A text of a newer version under the name of the lock "key"."""
    backend.acquire("key", FIRST, expire=10)
    [name] = redis_server.client.keys()
    redis_server.client.set(name, NEWER[request.param], px=10_000)
    return NEWER[request.param]


def test_a_lock_of_a_newer_version_is_not_acquired(backend, newer):
    with pytest.raises(LockRecordError):
        backend.acquire("key", FIRST, expire=10)


def test_a_lock_of_a_newer_version_is_not_taken_over(backend, newer):
    with pytest.raises(LockRecordError):
        backend.acquire("key", FIRST, expire=10, take_over_from=["task-1/0/0//ab"])


def test_to_read_a_lock_of_a_newer_version_is_an_error(backend, newer):
    with pytest.raises(LockRecordError):
        backend.get("key")


def test_a_lock_of_a_newer_version_is_left_alone(backend, newer, redis_url):
    with pytest.raises(LockRecordError):
        backend.acquire("key", FIRST, expire=100)
    assert not backend.release("key", FIRST.token, value=b"value", fresh_for=100)
    assert backend.renew([Renewal("key", FIRST, 1, 100)]) == [Renewed.TAKEN]

    with Redis.from_url(redis_url) as client:
        [name] = client.keys()
        assert client.get(name) == newer
        assert 0 < client.pttl(name) <= 10_000


def test_a_lock_whose_end_was_taken_off_by_hand_stands_for_ever(backend, redis_server):
    backend.acquire("key", FIRST, expire=10)
    redis_server.client.persist(*redis_server.client.keys())

    refused = backend.acquire("key", SECOND, expire=10)

    assert isinstance(refused, Held)
    assert refused.remaining == float("inf")
