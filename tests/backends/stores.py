"""The stores of locks that the tests know, and what they put into them."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import count
from typing import Any, TypeVar

from tests.servers.find import SERVERS
from tests.waiting import wait_until
from unique_task import LockStoreError
from unique_task.backends.base import Backend
from unique_task.backends.record import Record, Token
from unique_task.backends.registry import backend_class
from unique_task.backends.steps import Acquired, Held, Renewal

Found = TypeVar("Found")

#: Name of a store -> the fixture that returns its URL, with no lock in it.
STORES = {
    "memory": "memory_url",
    "redis": "redis_url",
    "redis-sentinel": "sentinel_url",
    "redis-cluster": "cluster_url",
    "valkey": "valkey_url",
    "postgresql": "postgresql_url",
    "mariadb": "mariadb_url",
    "sqlite": "sqlite_url",
    "memcached": "memcached_url",
    "django-redis-cache": "django_redis_cache_url",
    "django-database": "django_database_url",
}
if "redis-6.2" in SERVERS:
    STORES["redis-6.2"] = "redis_6_url"

#: In place of them all, the one that this names, as in "module:function": a function
#: that empties the store and returns its URL.
GIVEN = os.environ.get("UNIQUE_TEST_STORE", "")
#: One of each kind, for what takes its time: others speak as one of them, or count
#: whole seconds.
KINDS = ["memory", "redis", "postgresql", "mariadb"]
if GIVEN:
    STORES = {"given": "given_url"}
    KINDS = ["given"]

#: Seconds that a step may take on a busy machine.
PATIENCE = 20

#: Seconds for which it may stop anything in the middle.
STALL = 3

#: Seconds for which a lock stands: more than a test takes.
LEASE = 1000

#: Seconds for which attempts are remembered: more than a test takes.
REMEMBERED = 1000

#: Texts that a store may have trouble to keep.
AWKWARD = {
    "empty": "",
    "blanks": " two  words ",
    "line ends": "one\ntwo\r\n",
    "slashes": "a/7/b",
    "percents": "100%20%",
    "braces": "{a}{b}",
    "unicode": "ünïcödé \u2028 ☃",
    "nul": "a\0b",
    "long": "x" * 300,
}


def open_store(url: str) -> Backend:
    return backend_class(url).from_url(url, timeout=PATIENCE)


def record_of(
    owner: str, retries: int = 0, nesting: int = 0, message: str = ""
) -> Record:
    """A delivery of an attempt of the task with the id `owner`; no two are the same."""
    token = Token.of_attempt(owner, retries, nesting, message)
    return Record(token, "shop.charge", "celery@host/42")


def redelivered(record: Record) -> Record:
    """What the next delivery of the same message would hold the lock with."""
    token = Token.parse(record.token)
    return record_of(token.owner, token.retries, token.nesting, token.message)


def published(owner: str) -> Record:
    """What a message of the task with the id `owner` reserves the lock with."""
    return replace(record_of(owner), state="pending", worker="")


FIRST = record_of("first")
SECOND = record_of("second")

#: Messages, each of which may take the place of the one before it.
ONE, TWO, THREE = (published(owner) for owner in ("one", "two", "three"))

#: Seconds within which it may: more than a test takes.
LONG = 1e6

#: Attempts that have something in common with the first one of the task "first".
OTHERS = {
    "a retry": record_of("first", retries=1),
    "a replacement": record_of("first", nesting=1),
    "a retry and a replacement": record_of("first", retries=1, nesting=1),
    "another message": record_of("first", message="0badcafe"),
    "another task": record_of("second"),
    "a task with a longer id": record_of("first/0"),
}


def renewals(keys: list[str]) -> list[Renewal]:
    """How the task "first" holds on to some locks."""
    return [Renewal(key, FIRST, 1, 60, REMEMBERED) for key in keys]


def take_some(
    backend: Backend, count: int, limit: int, expire: float = LEASE
) -> list[Record]:
    """As many attempts as `count` take the lock, the first of which ends first."""
    taken = []
    for number in range(count):
        record = record_of(f"task-{number}")
        answer = backend.acquire("key", record, expire + 10 * number, limit=limit)
        assert isinstance(answer, Acquired)
        taken.append(replace(record, fence=answer.fence))
    return taken


def records(holders: Sequence[Held]) -> list[Record]:
    return [held.record for held in holders]


def reserve(
    backend: Backend,
    record: Record,
    expire: float = 10,
    *,
    key: str = "key",
    **how: Any,
) -> Any:
    """Reserve the lock, or take the place of the message that it waits for."""
    how = {"replace_within": LONG, "remember_for": REMEMBERED, **how}
    return backend.reserve(key, record, expire, **how)


def start(
    backend: Backend,
    message: Record,
    expire: float = 10,
    *,
    key: str = "key",
    **how: Any,
) -> Any:
    """A message arrives, and its task wants to run."""
    over = (message.token,)
    return backend.acquire(
        key, redelivered(message), expire, take_over_from=over, **how
    )


def admit(
    backend: Backend, record: Record = FIRST, remember_for: float = REMEMBERED
) -> None:
    """Give an attempt the lock, which it loses at once."""
    assert isinstance(
        backend.acquire("key", record, 10, remember_for=remember_for), Acquired
    )
    assert backend.release("key", record.token)


def undisturbed(steps: Callable[[str, float], Found], short: float) -> Found:
    """Return the result of steps that take less than the seconds that they get.

    If the machine held them up, they are done under another key, with twice the time.
    """
    for turn in count():
        started = time.monotonic()
        found = steps(f"key {turn}", short * 2**turn)
        if time.monotonic() - started < short * 2**turn:
            return found
    raise AssertionError


def connect(backend: Backend, keys: Sequence[str] = ("key",)) -> None:
    """Have a store connected that gives up soon, however often it does."""
    wait_until(lambda: all(_answers(backend, key) for key in keys))


def _answers(backend: Backend, key: str) -> bool:
    with suppress(LockStoreError):
        backend.get(key)
        return True
    return False


@contextmanager
def in_time(timeout: float) -> Iterator[None]:
    """What a store is asked in the block ends in its time, and not many times later."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < timeout + STALL
