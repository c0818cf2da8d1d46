"""What every store of locks does when many want the same at once."""

import multiprocessing
import random
import time
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter

import pytest

from tests.backends.stores import open_store, record_of
from unique_task.backends.base import Backend
from unique_task.backends.steps import Acquired

KEYS = ["one", "two", "three"]


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
