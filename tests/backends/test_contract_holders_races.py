"""What every store does when many threads want one of few places of a lock at once."""

import random
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from tests.backends.stores import LEASE, open_store, record_of
from tests.backends.turns import Turn, assert_at_most
from unique_task.backends.base import Backend
from unique_task.backends.steps import Acquired, Renewal, Renewed

KEYS = ["one", "two"]
PLACES = 3


def take_turns(backend: Backend, count: int, limit: int) -> list[Turn]:
    """Hold one of few places so many times, beside others who do the same."""
    turns: list[Turn] = []
    while len(turns) < count:
        key, record = random.choice(KEYS), record_of("one of many")
        asked = time.monotonic_ns()
        answer = backend.acquire(key, record, expire=60, limit=limit)
        if isinstance(answer, Acquired):
            assert answer.fence is not None
            since = time.monotonic_ns()
            # Others run now, and find the place held.
            time.sleep(0.0002)
            renewal = Renewal(key, record, answer.fence, 60, limit=limit)
            assert backend.renew([renewal]) == [Renewed.HELD]
            turns.append(Turn(key, answer.fence, asked, since, time.monotonic_ns()))
            assert backend.release(key, record.token, limit=limit)
        else:
            time.sleep(0.0002)
    return turns


@pytest.mark.usefixtures("hasty_threads")
def test_no_more_threads_than_the_limit_hold_a_lock(several):
    with ThreadPoolExecutor(8) as threads:
        shares = threads.map(take_turns, [several] * 8, [25] * 8, [PLACES] * 8)

    turns = [turn for share in shares for turn in share]
    assert_at_most(PLACES, turns)
    assert all(several.get(key) is None for key in KEYS)


@pytest.mark.usefixtures("hasty_threads")
def test_threads_with_different_limits_keep_to_the_highest_of_them(several):
    limits = [1, 1, 2, 2, 3, 3, 3, 3]
    with ThreadPoolExecutor(8) as threads:
        shares = threads.map(take_turns, [several] * 8, [15] * 8, limits)

    assert_at_most(PLACES, [turn for share in shares for turn in share])
    assert all(several.get(key) is None for key in KEYS)


@pytest.mark.usefixtures("hasty_threads")
def test_of_many_who_ask_at_once_as_many_get_in_as_there_are_places(several, url):
    backends = [open_store(url) if several.shared else several for _ in range(8)]
    # Who fails does not let the others wait for ever.
    barrier = Barrier(len(backends), timeout=60)

    def take_all(number: int) -> list[bool]:
        got = []
        for key in keys:
            barrier.wait()
            record = record_of("taker")
            answer = backends[number].acquire(key, record, LEASE, limit=PLACES)
            got.append(isinstance(answer, Acquired))
        return got

    keys = [f"key {number}" for number in range(50)]
    with ThreadPoolExecutor(len(backends)) as threads:
        answers = list(threads.map(take_all, range(len(backends))))

    assert [sum(of_key) for of_key in zip(*answers)] == [PLACES] * len(keys)


@pytest.mark.usefixtures("hasty_threads")
def test_as_many_take_over_as_died_though_others_ask(several, url):
    backends = [open_store(url) if several.shared else several for _ in range(6)]
    barrier = Barrier(len(backends), timeout=60)
    keys = [f"key {number}" for number in range(30)]
    dead = [record_of("dead") for _ in range(PLACES)]
    for key in keys:
        for record in dead:
            several.acquire(key, record, LEASE, limit=PLACES)

    def take_all(number: int) -> list[bool]:
        got = []
        for key in keys:
            over = [dead[number // 2].token] if number % 2 else []
            barrier.wait()
            how: Any = {"take_over_from": over, "limit": PLACES}
            answer = backends[number].acquire(key, record_of("taker"), LEASE, **how)
            got.append(isinstance(answer, Acquired))
        return got

    with ThreadPoolExecutor(len(backends)) as threads:
        answers = list(threads.map(take_all, range(len(backends))))

    for of_key in zip(*answers):
        assert sum(of_key) == sum(of_key[1::2]) == PLACES
