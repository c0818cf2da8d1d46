"""What every store of locks does: one suite over all of them.

A backend of this library joins by one line in `STORES`. To try one of your own, import
the tests into a module of yours, and say there where your locks live::

    from tests.backends.test_contract import *

    @pytest.fixture
    def url():
        return "mystore://localhost"
"""

import multiprocessing
import random
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from operator import attrgetter

import pytest

from tests.servers import RedisServer
from tests.servers.find import SERVERS
from tests.waiting import wait_until
from unique_task.backends import backend_class
from unique_task.backends.base import Acquired, Backend, Held, Renewal, Renewed, Stored
from unique_task.backends.record import Record, Token

#: Name of a store -> the fixture that returns its URL, with no lock in it.
STORES = {
    "memory": "memory_url",
    "redis": "redis_url",
    "valkey": "valkey_url",
}
if "redis-6.2" in SERVERS:
    STORES["redis-6.2"] = "redis_6_url"

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

BINARY = {"empty": b"", "any bytes": bytes(range(256)), "big": b"x" * 1_000_000}

KEYS = ["one", "two", "three"]


@pytest.fixture
def memory_url() -> str:
    return "memory://"


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("valkey"), name="valkey") as server:
        yield server


@pytest.fixture(scope="module")
def redis_6(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis"), name="redis-6.2") as server:
        yield server


@pytest.fixture
def valkey_url(valkey: RedisServer) -> str:
    valkey.client.flushall()
    return valkey.url.replace("redis://", "valkey://")


@pytest.fixture
def redis_6_url(redis_6: RedisServer) -> str:
    redis_6.client.flushall()
    return redis_6.url


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest) -> str:
    """Where the locks live."""
    return str(request.getfixturevalue(STORES[request.param]))


@pytest.fixture
def backend(url: str) -> Backend:
    return open_store(url)


@pytest.fixture
def short() -> float:
    """Seconds that the store can time."""
    return 0.2


@pytest.fixture(params=AWKWARD)
def awkward(request: pytest.FixtureRequest) -> str:
    """A text that a store may have trouble to keep."""
    return AWKWARD[request.param]


def open_store(url: str) -> Backend:
    return backend_class(url).from_url(url, timeout=2)


def record_of(owner: str) -> Record:
    """An attempt of the task with the id `owner`; no two are the same."""
    return Record(str(Token.of_attempt(owner)), "shop.charge", "celery@host/42")


FIRST = record_of("first")
SECOND = record_of("second")


# Taking a lock


def test_a_free_lock_is_acquired(backend):
    assert isinstance(backend.acquire("key", FIRST, expire=10), Acquired)


def test_a_held_lock_is_refused_and_the_holder_told(backend):
    taken = backend.acquire("key", FIRST, expire=10)

    refused = backend.acquire("key", SECOND, expire=100)

    assert isinstance(refused, Held)
    assert refused.record == replace(FIRST, fence=taken.fence)
    assert 0 < refused.remaining <= 10


def test_a_refused_acquisition_changes_nothing(backend):
    backend.acquire("key", FIRST, expire=10)

    backend.acquire("key", SECOND, expire=100)

    held = backend.get("key")
    assert held.record.owner == "first"
    assert held.remaining <= 10


def test_another_attempt_of_the_same_task_is_refused(backend):
    backend.acquire("key", record_of("first"), expire=10)

    assert isinstance(backend.acquire("key", record_of("first"), expire=10), Held)


def test_another_key_is_another_lock(backend):
    backend.acquire("key", FIRST, expire=10)

    assert isinstance(backend.acquire("another", SECOND, expire=10), Acquired)


def test_a_lock_ends_when_its_time_is_over_and_not_before(backend, short):
    asked = time.monotonic()
    backend.acquire("key", FIRST, expire=short)

    wait_until(lambda: isinstance(backend.acquire("key", SECOND, expire=10), Acquired))

    # A store may count in milliseconds.
    assert time.monotonic() - asked > short - 0.002
    assert backend.get("key").record.owner == "second"


def test_an_acquisition_whose_answer_was_lost_may_be_repeated(backend):
    taken = backend.acquire("key", FIRST, expire=10)

    assert backend.acquire("key", FIRST, expire=10) == taken
    assert isinstance(backend.acquire("key", SECOND, expire=10), Held)


def test_the_fence_grows_with_every_acquisition(backend):
    fences = []
    for turn in range(100):
        record = record_of(f"task-{turn}")
        fences.append(backend.acquire("key", record, expire=10).fence)
        backend.release("key", record.token)

    assert fences == sorted(set(fences))


def test_the_fence_grows_when_a_lock_has_expired(backend, short):
    fence = backend.acquire("key", FIRST, expire=short).fence
    wait_until(lambda: backend.get("key") is None)

    assert backend.acquire("key", SECOND, expire=10).fence > fence


# Freeing it


def test_a_released_lock_is_free(backend):
    backend.acquire("key", FIRST, expire=10)

    assert backend.release("key", FIRST.token)
    assert isinstance(backend.acquire("key", SECOND, expire=10), Acquired)


def test_release_by_another_token_is_refused_and_changes_nothing(backend):
    backend.acquire("key", FIRST, expire=10)

    assert not backend.release("key", SECOND.token)
    assert backend.get("key").record.token == FIRST.token


def test_release_by_another_attempt_of_the_same_task_is_refused(backend):
    backend.acquire("key", FIRST, expire=10)

    assert not backend.release("key", record_of("first").token)


def test_a_free_lock_cannot_be_released(backend):
    assert not backend.release("key", FIRST.token)


def test_a_lock_is_released_once(backend):
    backend.acquire("key", FIRST, expire=10)
    backend.release("key", FIRST.token)

    assert not backend.release("key", FIRST.token)


def test_an_expired_lock_cannot_be_released_from_its_next_holder(backend, short):
    backend.acquire("key", FIRST, expire=short)
    wait_until(lambda: isinstance(backend.acquire("key", SECOND, expire=10), Acquired))

    assert not backend.release("key", FIRST.token)
    assert backend.get("key").record.owner == "second"


# Holding on to it


def renewal_of(key: str, record: Record, fence: int | None = 1) -> Renewal:
    return Renewal(key, record, fence, expire=100)


def test_a_held_lock_is_renewed(backend):
    fence = backend.acquire("key", FIRST, expire=10).fence

    assert backend.renew([renewal_of("key", FIRST, fence)]) == [Renewed.HELD]
    held = backend.get("key")
    assert 10 < held.remaining <= 100
    assert held.record == replace(FIRST, fence=fence)


def test_a_lock_of_another_is_not_renewed_and_not_changed(backend):
    backend.acquire("key", SECOND, expire=10)

    assert backend.renew([renewal_of("key", FIRST)]) == [Renewed.TAKEN]
    held = backend.get("key")
    assert held.record.token == SECOND.token
    assert held.remaining <= 10


def test_a_lock_that_vanished_is_taken_again_under_its_old_fence(backend):
    fence = backend.acquire("key", FIRST, expire=10).fence
    backend.release("key", FIRST.token)

    assert backend.renew([renewal_of("key", FIRST, fence)]) == [Renewed.RETAKEN]
    held = backend.get("key")
    assert held.record == replace(FIRST, fence=fence)
    assert 10 < held.remaining <= 100


def test_a_lock_that_was_taken_again_is_held_by_its_token(backend):
    fence = backend.acquire("key", FIRST, expire=10).fence
    backend.release("key", FIRST.token)
    backend.renew([renewal_of("key", FIRST, fence)])

    assert isinstance(backend.acquire("key", SECOND, expire=10), Held)
    assert backend.release("key", FIRST.token)
    assert backend.acquire("key", SECOND, expire=10).fence > fence


def test_many_locks_are_renewed_at_once_and_answered_in_their_order(backend):
    fence = backend.acquire("held", FIRST, expire=10).fence
    backend.acquire("taken", SECOND, expire=10)

    outcomes = backend.renew(
        [
            renewal_of("taken", FIRST),
            renewal_of("held", FIRST, fence),
            renewal_of("vanished", FIRST),
        ]
    )

    assert outcomes == [Renewed.TAKEN, Renewed.HELD, Renewed.RETAKEN]


def test_nothing_to_renew_is_no_error(backend):
    assert backend.renew([]) == []


# Looking at it


def test_a_free_lock_has_no_holder(backend):
    assert backend.get("key") is None


def test_get_tells_who_holds_a_lock_and_for_how_long(backend):
    taken = backend.acquire("key", FIRST, expire=10)

    held = backend.get("key")

    assert held.record == replace(FIRST, fence=taken.fence)
    assert 0 < held.remaining <= 10


def test_what_remains_becomes_less(backend):
    backend.acquire("key", FIRST, expire=10)
    before = backend.get("key").remaining

    wait_until(lambda: backend.get("key").remaining < before)


def test_awkward_texts_come_back_as_they_were(backend, awkward):
    record = Record(str(Token.of_attempt(awkward, 3)), awkward, awkward)
    fence = backend.acquire("key", record, expire=10).fence

    found = backend.get("key").record

    assert found == replace(record, fence=fence)
    assert found.owner == awkward


def test_an_awkward_owner_can_renew_and_release(backend, awkward):
    record = record_of(awkward)
    fence = backend.acquire("key", record, expire=10).fence

    assert backend.renew([renewal_of("key", record, fence)]) == [Renewed.HELD]
    assert backend.release("key", record.token)


# The value of a run


def finish(backend: Backend, value: bytes, fresh: float, key: str = "key") -> None:
    """Run once, and leave `value` behind."""
    record = record_of("earlier")
    backend.acquire(key, record, expire=10)
    assert backend.release(key, record.token, value=value, fresh=fresh)


@pytest.mark.parametrize("value", BINARY.values(), ids=BINARY)
def test_a_value_is_handed_out_in_place_of_the_lock(backend, value):
    finish(backend, value, fresh=10)

    assert backend.acquire("key", FIRST, expire=10, stored=True) == Stored(value)
    assert backend.get("key") is None


def test_a_value_is_handed_out_only_to_those_who_want_it(backend):
    finish(backend, b"value", fresh=10)

    assert isinstance(backend.acquire("key", FIRST, expire=10), Acquired)


def test_a_value_is_handed_out_also_while_the_lock_is_held(backend):
    finish(backend, b"value", fresh=10)
    backend.acquire("key", FIRST, expire=10)

    answer = backend.acquire("key", SECOND, expire=10, stored=True)

    assert answer == Stored(b"value")


def test_who_wants_a_value_gets_the_lock_where_there_is_none(backend):
    finish(backend, b"value", fresh=10, key="another")

    answer = backend.acquire("key", FIRST, expire=10, stored=True)

    assert isinstance(answer, Acquired)


def test_who_wants_a_value_is_refused_while_its_run_lasts(backend):
    backend.acquire("key", FIRST, expire=10, stored=True)

    assert isinstance(backend.acquire("key", SECOND, expire=10, stored=True), Held)


def test_a_value_of_a_run_that_lost_its_lock_is_not_stored(backend):
    backend.acquire("key", FIRST, expire=10)

    backend.release("key", SECOND.token, value=b"value", fresh=10)
    backend.release("key", FIRST.token)
    backend.release("key", FIRST.token, value=b"value", fresh=10)

    answer = backend.acquire("key", SECOND, expire=10, stored=True)
    assert isinstance(answer, Acquired)


def test_a_newer_value_takes_the_place_of_the_older(backend):
    finish(backend, b"older", fresh=10)
    finish(backend, b"newer", fresh=10)

    answer = backend.acquire("key", FIRST, expire=10, stored=True)

    assert answer == Stored(b"newer")


def test_a_value_is_fresh_for_its_time_and_no_longer(backend, short):
    stored = time.monotonic()
    finish(backend, b"value", fresh=short)

    wait_until(
        lambda: isinstance(
            backend.acquire("key", FIRST, expire=10, stored=True), Acquired
        )
    )

    assert time.monotonic() - stored > short - 0.002


# All at once


@dataclass(frozen=True)
class Turn:
    """From when to when a lock was surely held, by the clock of the machine."""

    key: str
    fence: int
    since: int
    until: int


def take_turns(backend: Backend, count: int) -> list[Turn]:
    """Hold one of few locks so many times, beside others who do the same."""
    turns: list[Turn] = []
    while len(turns) < count:
        key, record = random.choice(KEYS), record_of("one of many")
        answer = backend.acquire(key, record, expire=60)
        if isinstance(answer, Acquired):
            assert answer.fence is not None
            since = time.monotonic_ns()
            # Others run now, and find the lock held.
            time.sleep(0.0002)
            turns.append(Turn(key, answer.fence, since, time.monotonic_ns()))
            assert backend.release(key, record.token)
        else:
            time.sleep(0.0002)
    return turns


def take_turns_at(url: str, count: int) -> list[Turn]:
    return take_turns(open_store(url), count)


def assert_one_at_a_time(turns: list[Turn]) -> None:
    for key in KEYS:
        own = [turn for turn in turns if turn.key == key]
        for earlier, later in pairwise(sorted(own, key=attrgetter("since"))):
            assert earlier.until <= later.since
            assert earlier.fence < later.fence


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads take turns a thousand times as often as they would."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(before / 1000)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty_threads")
def test_no_two_threads_hold_a_lock(backend):
    with ThreadPoolExecutor(8) as threads:
        shares = threads.map(take_turns, [backend] * 8, [50] * 8)

    assert_one_at_a_time([turn for share in shares for turn in share])


def test_no_two_processes_hold_a_lock(backend, url):
    with processes(4) as pool:
        shares = list(pool.map(take_turns_at, [url] * 4, [300] * 4))

    # Where nothing is shared, each process is only beside itself.
    together = [sum(shares, [])] if backend.shared else shares
    for turns in together:
        assert_one_at_a_time(turns)


def processes(count: int) -> Executor:
    """Processes that begin to work when all of them are there."""
    context = multiprocessing.get_context("spawn")
    all_there = context.Barrier(count).wait
    return ProcessPoolExecutor(count, mp_context=context, initializer=all_there)
