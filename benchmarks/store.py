"""What a lock costs in Redis: the time to acquire and release it, and its memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from uuid import uuid4

from redis import Redis

from benchmarks.pairs import costs, rates, timed
from benchmarks.report import Row, at_least, at_most
from tests.servers import RedisServer
from unique_task import RedisBackend
from unique_task.backends.base import Backend
from unique_task.backends.record import Record, Token
from unique_task.leases.process import this_process

TASK = "shop.orders.tasks.charge_order"
WORKER = "celery@worker-12.example.com/12345"
BATCH = 50
TURNS = 20
LEASE = 15.0

# What people write by hand; less than this is not safe.
COMPARE_AND_DELETE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""

# A copy keeps the format and the expiry of a real lock.
MULTIPLY = """
for n = ARGV[1], ARGV[2] do redis.call('COPY', KEYS[1], KEYS[1] .. n) end
"""
HELD = 1_000_000
STEP = 10_000


def rows(server: RedisServer, pairs: int) -> Iterator[Row]:
    yield _take_and_free(server, pairs)
    yield _take_among_many(server, pairs)
    yield _memory(server)
    server.client.flushall()


def _take_and_free(server: RedisServer, pairs: int) -> Row:
    client: Redis = Redis.from_url(server.url, socket_timeout=1)
    ours = batches(partial(lock_once, RedisBackend(client=client)), record)
    plain = batches(_raw_lock(client), lambda: str(uuid4()))
    name = "take + free, time over SET NX PX + compare-and-delete"
    return Row(name, costs(ours, plain, pairs, TURNS), at_most(1.15))


def _take_among_many(server: RedisServer, pairs: int) -> Row:
    few, many = _database(server, 1), _database(server, 2)
    _hold(few, 10)
    _hold(many, HELD)
    ours, plain = (
        batches(partial(lock_once, RedisBackend(client=client)), record)
        for client in (many, few)
    )
    name = "take + free, rate with 1,000,000 locks held over 10"
    return Row(name, rates(ours, plain, pairs, TURNS), at_least(0.95))


def _memory(server: RedisServer) -> Row:
    client = _database(server, 3)
    usage = client.memory_usage(_hold(client, 1), samples=0)
    return Row("bytes of a lock in Redis", [float(usage)], at_most(300))


def batches(work: Callable[[Any], object], fresh: Callable[[], Any]) -> Any:
    """Return a measure of `work` on a batch of things that are made before it."""

    def measure() -> float:
        things = [fresh() for _ in range(BATCH)]
        return timed(lambda: [work(thing) for thing in things])()

    return measure


def lock_once(backend: Backend, record: Record) -> None:
    backend.acquire("ours", record, LEASE)
    backend.release("ours", record.token)


def _raw_lock(client: Any) -> Callable[[str], None]:
    digest = client.script_load(COMPARE_AND_DELETE)
    milliseconds = int(LEASE * 1000)

    def lock(token: str) -> None:
        client.set("plain", token, nx=True, px=milliseconds)
        client.evalsha(digest, 1, "plain", token)

    return lock


def record() -> Record:
    token = Token.of_attempt(str(uuid4()), message="0123abcd")
    return Record(str(token), TASK, WORKER, process=this_process())


def _database(server: RedisServer, number: int) -> Any:
    return Redis.from_url(f"{server.url.removesuffix('/0')}/{number}", socket_timeout=1)


def _hold(client: Any, count: int) -> bytes:
    """Fill an empty database with `count` locks and return the name of one."""
    RedisBackend(client=client).acquire(uuid4().hex, record(), 3600)
    name: bytes = client.keys()[0]
    # In steps, because a script that runs for seconds makes Redis refuse others.
    for first in range(1, count, STEP):
        client.eval(MULTIPLY, 1, name, first, min(first + STEP, count) - 1)
    return name
