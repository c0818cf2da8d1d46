"""What is special about counters in Redis: keys, trips, memory, rights."""

import re
from typing import Any

import pytest
from redis import Redis

from tests.servers import RedisServer
from unique_task import LockStoreError, RedisBackend
from unique_task.backends.counting import KEPT, REMEMBERED, minute_of
from unique_task.backends.findings import Level

RUNS = ("shop.charge", "runs")

#: Seconds for which a minute may be kept.
LONGEST = (KEPT + 1) * 60

#: Counters of one minute, in a shop with many tasks.
MANY = {
    (f"shop.tasks.task_{task}", f"duplicates.ignore.{counter}"): 1.5
    for task in range(20)
    for counter in range(8)
}


def names(client: Redis) -> list[str]:
    """Those of the minutes in which something was counted."""
    found: list[Any] = client.keys("unique:{counters}:[0-9]*[0-9]")
    return sorted(name.decode() for name in found)


def minute_in(name: str) -> int:
    return int(name.rpartition(":")[2])


def named(minute: int) -> str:
    return f"unique:{{counters}}:{minute}"


def pass_by(client: Redis, count: int) -> None:
    """Let some minutes pass."""
    for name in names(client):
        client.rename(name, named(minute_in(name) - count))


def runs(backend: RedisBackend) -> float:
    """What was counted in all minutes: one may end in the middle of a test."""
    return sum(row.amount for row in backend.counted().rows)


def test_a_minute_is_kept_and_then_ends_by_itself(backend, client):
    backend.count("flush", {RUNS: 1})

    [name] = names(client)
    assert LONGEST - 60 < client.ttl(name) <= LONGEST


def test_a_flush_is_forgotten_by_itself(backend, client):
    backend.count("flush", {RUNS: 1})

    assert REMEMBERED - 60 < client.ttl("unique:{counters}:flush:flush") <= REMEMBERED


def test_the_last_minutes_are_read_and_no_others(backend, client):
    for _ in range(3):
        pass_by(client, 2)
        backend.count(f"flush {client.dbsize()}", {RUNS: 1})

    kept = set(map(minute_in, names(client)))
    assert len(kept) == 3
    for asked in (1, 2, 3, 4, 5, KEPT):
        counted = backend.counted(asked)
        last = minute_of(counted.now)
        wanted = {minute for minute in kept if minute > last - asked}
        assert {row.minute for row in counted.rows} == wanted


def test_counters_are_stored_as_ever(backend, client):
    """Workers of two versions add to the same keys: do not change a text."""
    backend.with_prefix("shop:").count("0bad", {("shop.charge é", "waits"): 2.5})

    [flush, minute] = sorted(client.keys())
    assert re.fullmatch(rb"shop:unique:\{counters\}:\d{8}", minute)
    assert flush == b"shop:unique:{counters}:0bad:flush"
    assert client.hgetall(minute) == {"waits shop.charge é".encode(): b"2.5"}


def test_a_flush_takes_one_trip(redis_proxy):
    backend = RedisBackend(redis_proxy.url)
    backend.count("one", MANY)
    before = redis_proxy.requests

    backend.count("another", MANY)

    assert redis_proxy.requests - before == 1


@pytest.mark.parametrize(("asked", "trips"), [(1, 2), (10, 2), (KEPT, 37)])
def test_ten_minutes_are_read_in_one_trip_beside_the_clock(redis_proxy, asked, trips):
    backend = RedisBackend(redis_proxy.url)
    list(backend.counted(1).rows)
    before = redis_proxy.requests

    list(backend.counted(asked).rows)

    assert redis_proxy.requests - before == trips


def test_a_flush_whose_answer_is_lost_counts_once(redis_proxy):
    backend = RedisBackend(redis_proxy.url)
    backend.count("one", {RUNS: 1})
    redis_proxy.swallow_replies(1, to=b"EVALSHA")

    backend.count("another", {RUNS: 1})

    assert runs(backend) == 2


def test_a_flush_that_failed_after_it_was_counted_counts_once(redis_proxy):
    backend = RedisBackend(redis_proxy.url)
    redis_proxy.swallow_replies(9, to=b"EVAL")
    with pytest.raises(LockStoreError):
        backend.count("flush", {RUNS: 1})
    redis_proxy.restore()

    backend.count("flush", {RUNS: 1})

    assert runs(backend) == 1


def test_a_minute_that_is_no_hash_is_an_error_each_time_and_counts_nothing(
    backend, client
):
    backend.count("one", {RUNS: 1})
    [name] = names(client)
    for minute in range(3):  # the next one may begin
        client.set(named(minute_in(name) + minute), "something else")

    for _ in range(2):
        with pytest.raises(LockStoreError, match="WRONGTYPE"):
            backend.count("another", {RUNS: 1})
    with pytest.raises(LockStoreError, match="WRONGTYPE"):
        list(backend.counted().rows)
    client.delete(*names(client))
    backend.count("another", {RUNS: 1})
    assert runs(backend) == 1


def test_a_counter_that_is_no_number_is_an_error_that_names_it(backend, client):
    backend.count("one", {RUNS: 1})
    [minute] = names(client)
    client.hset(minute, "runs shop.charge", "many")

    with pytest.raises(LockStoreError, match="the counter runs is b'many'"):
        list(backend.counted().rows)


def test_a_minute_of_160_counters_takes_no_more_than_20_kilobytes(backend, client):
    backend.count("flush", MANY)

    [name] = names(client)
    assert client.memory_usage(name, samples=0) < 20_000


# Rights


@pytest.fixture
def guest(redis_server: RedisServer, redis_url: str) -> Any:
    """Makes the store of a user with some rights."""
    client: Any = redis_server.client

    def allow(*rights: str) -> RedisBackend:
        rules = ("reset", "on", ">sesame", "~unique:*", *rights)
        client.execute_command("ACL", "SETUSER", "guest", *rules)
        return RedisBackend(redis_url.replace("redis://", "redis://guest:sesame@"))

    yield allow
    client.acl_deluser("guest")


@pytest.mark.parametrize("command", ["hincrbyfloat", "hgetall"])
def test_without_a_right_of_counters_locks_are_kept_and_a_check_says_so(guest, command):
    backend = guest("+@all", f"-{command}")

    backend.check()
    [finding] = [one for one in backend.findings() if one.name == "counters"]
    assert finding.level is Level.WARN
    assert command in finding.found
    assert "right" in finding.advice
    assert not finding.at_start


def test_with_all_rights_the_check_of_counters_passes_and_leaves_nothing(guest, client):
    [finding] = [one for one in guest("+@all").findings() if one.name == "counters"]

    assert finding.level is Level.OK
    assert client.dbsize() == 0
