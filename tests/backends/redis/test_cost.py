"""The cost of locks in Redis: commands, round trips, memory."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from redis.crc import key_slot

from tests.backends.stores import FIRST, REMEMBERED, SECOND, record_of
from tests.servers import RedisServer
from tests.waiting import wait_until
from unique_task import RedisBackend
from unique_task.backends.record import Record, Token
from unique_task.backends.steps import (
    Acquired,
    Leaving,
    Release,
    Renewal,
    Renewed,
    Tombstone,
)
from unique_task.keys.digest import digest_of

#: Commands for a message that comes once, and for one that may be delivered again.
RUNS = {
    "once": ({}, {}, {"evalsha": 2, "time": 1, "set": 1, "get": 1, "del": 1}),
    "again": (
        {"remember_for": REMEMBERED},
        {"leaving": Leaving(FIRST, 10)},
        {"evalsha": 3, "time": 1, "set": 4, "get": 3, "del": 2},
    ),
}


@pytest.mark.parametrize("taken, freed, commands", RUNS.values(), ids=RUNS)
def test_a_run_costs_six_commands_or_thirteen_to_be_known_again(
    taken, freed, commands, warm, redis_server
):
    redis_server.reset_counts()

    warm.acquire("key", FIRST, expire=10, **taken)
    warm.release("key", FIRST.token, **freed)
    if freed:  # and when its outcome is stored
        warm.release("key", FIRST.token, finished_for=REMEMBERED)

    assert redis_server.command_counts() == commands
    assert sum(commands.values()) == (13 if taken else 6)


def test_a_lock_is_taken_and_freed_in_one_round_trip_each(redis_proxy, warm):
    through_proxy = RedisBackend(redis_proxy.url)
    through_proxy.get("key")
    before = redis_proxy.requests

    through_proxy.acquire(
        "key", FIRST, expire=10, remember_for=REMEMBERED, take_over_from=["a", "b"]
    )
    through_proxy.release(
        "key", FIRST.token, value=b"value", fresh_for=10, finished_for=10
    )

    assert redis_proxy.requests - before == 2


def test_a_lock_is_taken_over_in_one_round_trip(redis_proxy, warm):
    warm.acquire("key", FIRST, expire=10)
    through_proxy = RedisBackend(redis_proxy.url)
    through_proxy.get("key")
    before = redis_proxy.requests

    taken = through_proxy.acquire(
        "key", SECOND, expire=10, take_over_from=[FIRST.token]
    )

    assert isinstance(taken, Acquired)
    assert redis_proxy.requests - before == 1


def test_many_locks_are_renewed_in_one_round_trip(redis_proxy, redis_server):
    through_proxy = RedisBackend(redis_proxy.url)
    through_proxy.renew([Renewal("another", FIRST, 1, 10)])  # brings the script
    renewals = [Renewal(f"key {number}", FIRST, 1, 10) for number in range(10)]
    redis_server.reset_counts()
    redis_proxy.hang()

    with ThreadPoolExecutor(1) as beside:
        renewed = beside.submit(through_proxy.renew, renewals)
        # All commands are there before the first answer.
        wait_until(lambda: redis_server.command_counts().get("evalsha") == 10)
        redis_proxy.restore()

    assert renewed.result() == [Renewed.RETAKEN] * 10


@pytest.mark.parametrize("remember_for", [0, REMEMBERED])
def test_a_renewal_looks_at_the_lock_and_its_mark_alone(
    remember_for, backend, redis_server
):
    """Whether somebody has released it is asked only where it is not held."""
    fence = backend.acquire("key", FIRST, expire=10, remember_for=remember_for).fence
    renewal = Renewal("key", FIRST, fence, 10, remember_for)
    backend.renew([renewal])  # brings the script
    redis_server.reset_counts()

    assert backend.renew([renewal]) == [Renewed.HELD]

    of_mark = 1 if remember_for else 0
    commands = {"evalsha": 1, "get": 1 + of_mark, "pexpire": 1, "set": of_mark}
    counted = redis_server.command_counts()
    assert counted == {name: count for name, count in commands.items() if count}


def test_a_lock_takes_300_bytes_at_most(backend, redis_server):
    token = Token.of_attempt("1b671a64-40d5-491e-99b0-da01ff1f3341", retries=12)
    record = Record(token, "shop.billing.tasks.charge", "celery@web-12.shop/31415")
    backend.acquire(digest_of("shop", "17"), record, expire=3600)

    [name] = redis_server.client.keys()

    assert redis_server.client.memory_usage(name) <= 300


def test_all_keys_of_a_lock_are_in_one_slot_of_a_cluster(backend, redis_url):
    backend.acquire("key", FIRST, expire=10)
    backend.release("key", FIRST.token, value=b"value", fresh_for=10, finished_for=10)
    backend.acquire("key", SECOND, expire=10, remember_for=10)

    # A lock, a value, and the marks of two attempts.
    assert len(slots(redis_url)) == 4
    assert len(set(slots(redis_url))) == 1


def test_locks_are_spread_over_a_cluster(backend, redis_url):
    for number in range(20):
        backend.acquire(digest_of("shop", str(number)), FIRST, expire=10)

    assert len(set(slots(redis_url))) > 10


def test_every_lock_and_value_has_an_end(backend, redis_server):
    backend.acquire("taken", FIRST, expire=10)
    backend.acquire("taken over", FIRST, expire=10)
    backend.acquire("taken over", SECOND, expire=10, take_over_from=[FIRST.token])
    backend.renew([Renewal("retaken", FIRST, 1, 10), Renewal("taken", FIRST, 1, 10)])
    backend.release("lost", FIRST.token, value=b"value", fresh_for=10)
    backend.acquire("freed", FIRST, expire=10)
    backend.release("freed", FIRST.token, value=b"value", fresh_for=10)

    # Three locks and a value.
    assert_ends(redis_server, 4)


def test_every_mark_has_an_end(backend, redis_server):
    backend.acquire("taken", FIRST, expire=10, remember_for=10)
    backend.acquire("taken over", FIRST, expire=10)
    backend.acquire(
        "taken over", SECOND, expire=10, remember_for=10, take_over_from=[FIRST.token]
    )
    backend.acquire("freed", FIRST, expire=10, remember_for=10)
    backend.release("freed", FIRST.token)
    backend.acquire("finished", FIRST, expire=10, remember_for=10)
    backend.release("finished", FIRST.token, finished_for=10)
    backend.release("lost", FIRST.token, finished_for=10)
    backend.release("lost", SECOND.token, leaving=Leaving(SECOND, 10))
    backend.renew([Renewal("taken", SECOND, 1, 10, leaving=True)])
    backend.acquire("buried", FIRST, expire=10)
    backend.release_as(Release("buried", FIRST.token, tombstone=Tombstone("ann", 10)))

    # Two locks, three marks "admitted", two marks "finished", three records of attempts
    # that are leaving, and a tombstone.
    assert_ends(redis_server, 11)


def test_a_mark_lasts_as_long_as_the_latest_step_wants(backend, redis_server):
    backend.acquire("key", FIRST, expire=10, remember_for=20)
    [mark] = redis_server.client.keys("*first*")
    admitted = redis_server.client.pttl(mark)
    backend.release("key", FIRST.token, finished_for=30)
    finished = redis_server.client.pttl(mark)

    assert 10_000 < admitted <= 20_000 < finished <= 30_000


def test_a_duplicate_leaves_nothing(backend, redis_server):
    backend.acquire("key", FIRST, expire=10)

    backend.acquire("key", SECOND, expire=10, remember_for=REMEMBERED)

    assert redis_server.client.dbsize() == 1


@pytest.mark.parametrize("finished", [0, REMEMBERED], ids=["admitted", "finished"])
def test_a_mark_takes_200_bytes_at_most(finished, backend, redis_server):
    # 168 bytes in Redis 7.
    owner = "1b671a64-40d5-491e-99b0-da01ff1f3341"
    record = record_of(owner, retries=12, message="0badcafe")
    key = digest_of("shop", "17")
    backend.acquire(key, record, expire=10, remember_for=REMEMBERED)
    backend.release(key, record.token, finished_for=finished)

    [name] = redis_server.client.keys()

    assert redis_server.client.memory_usage(name) <= 200


def assert_ends(server: RedisServer, count: int) -> None:
    """Assert that all `count` keys expire within 10 seconds."""
    ends = [server.client.pttl(name) for name in server.client.keys()]
    assert len(ends) == count
    assert all(0 < end <= 10_000 for end in ends)


def slots(url: str) -> list[int]:
    with Redis.from_url(url) as client:
        return [key_slot(name) for name in client.keys()]
