"""What a lock costs in Redis: the time to acquire and release it, and its memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

from redis import Redis

from benchmarks.measured import Measured, count, rate_over, time_over, time_over_raw
from benchmarks.pairs import in_pairs, timed
from benchmarks.row import Row, at_least, at_most
from benchmarks.stage import Stage
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
FEW = 10
HELD = 1_000_000
STEP = 10_000
HOLDERS = 1000


def _take_and_free(stage: Stage) -> Measured:
    url = stage.locks.url
    ours = batches(partial(lock_once, RedisBackend(url)), record)
    raw = batches(_raw_lock(Redis.from_url(url, socket_timeout=1)), fresh_token)
    return time_over_raw(in_pairs(ours, raw, stage.pairs, TURNS))


def _take_among_many(stage: Stage) -> Measured:
    few, many = (_database(stage.locks, number) for number in (1, 2))
    _hold(few, FEW)
    _hold(many, HELD)
    ours, other = (
        batches(partial(lock_once, RedisBackend(_url(stage.locks, number))), record)
        for number in (2, 1)
    )
    pairs = in_pairs(ours, other, stage.pairs, TURNS)
    stage.locks.client.flushall()
    return rate_over(pairs, f"{FEW} locks")


def _take_one_of_many(stage: Stage) -> Measured:
    backend = RedisBackend(stage.locks.url)
    for _ in range(HOLDERS - 1):
        backend.acquire("shared", record(), 3600, limit=HOLDERS)
    ours = batches(partial(lock_one_of, backend), record)
    other = batches(partial(lock_once, backend), record)
    return time_over(in_pairs(ours, other, stage.pairs, TURNS), "one of one")


def _memory(stage: Stage) -> Measured:
    client = _database(stage.locks, 3)
    return count(client.memory_usage(_hold(client, 1), samples=0), "bytes")


def batches(work: Callable[[Any], object], fresh: Callable[[], Any]) -> Any:
    """Return a measure of `work` on a batch of things that are made before it."""

    def measure() -> float:
        things = [fresh() for _ in range(BATCH)]
        return timed(lambda: [work(thing) for thing in things], BATCH)()

    return measure


def lock_once(backend: Backend, record: Record) -> None:
    backend.acquire("ours", record, LEASE)
    backend.release("ours", record.token)


def lock_one_of(backend: Backend, record: Record) -> None:
    """Take the last place of a lock that has `HOLDERS`, and leave it."""
    backend.acquire("shared", record, LEASE, limit=HOLDERS)
    backend.release("shared", record.token, limit=HOLDERS)


def _raw_lock(client: Any) -> Callable[[str], None]:
    digest = client.script_load(COMPARE_AND_DELETE)
    milliseconds = int(LEASE * 1000)

    def lock(token: str) -> None:
        client.set("plain", token, nx=True, px=milliseconds)
        client.evalsha(digest, 1, "plain", token)

    return lock


def record() -> Record:
    token = Token.of_attempt(fresh_token(), message="0123abcd")
    return Record(token, TASK, WORKER, process=this_process())


def fresh_token() -> str:
    return str(uuid4())


def _url(server: RedisServer, number: int) -> str:
    return f"{server.url.removesuffix('/0')}/{number}"


def _database(server: RedisServer, number: int) -> Any:
    # A busy machine needs seconds to make the locks.
    return Redis.from_url(_url(server, number), socket_timeout=60)


def _hold(client: Any, count: int) -> bytes:
    """Fill an empty database with `count` locks and return the name of one."""
    RedisBackend(client=client).acquire(uuid4().hex, record(), 3600)
    name: bytes = client.keys()[0]
    # In steps, because a script that runs for seconds makes Redis refuse others.
    for first in range(1, count, STEP):
        client.eval(MULTIPLY, 1, name, first, min(first + STEP, count) - 1)
    return name


ROWS = [
    Row("take + free in Redis", at_most(0.80), _take_and_free),
    Row(f"take + free among {HELD:,} locks", at_least(0.95), _take_among_many),
    Row(f"take + free of one of {HOLDERS}", at_most(2.0), _take_one_of_many),
    Row("bytes of a lock in Redis", at_most(300), _memory),
]
