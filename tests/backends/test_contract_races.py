"""What every store of locks does when many threads want the same at once."""

import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.backends.stores import record_of
from tests.backends.turns import Turn, assert_one_at_a_time
from unique_task.backends.base import Backend
from unique_task.backends.steps import Acquired

KEYS = ["one", "two", "three"]


def take_turns(backend: Backend, count: int) -> list[Turn]:
    """Hold one of few locks so many times, beside others who do the same."""
    turns: list[Turn] = []
    while len(turns) < count:
        key, record = random.choice(KEYS), record_of("one of many")
        asked = time.monotonic_ns()
        answer = backend.acquire(key, record, expire=60)
        if isinstance(answer, Acquired):
            assert answer.fence is not None
            since = time.monotonic_ns()
            # Others run now, and find the lock held.
            time.sleep(0.0002)
            turns.append(Turn(key, answer.fence, asked, since, time.monotonic_ns()))
            assert backend.release(key, record.token)
        else:
            time.sleep(0.0002)
    return turns


@pytest.mark.usefixtures("hasty_threads")
def test_no_two_threads_hold_a_lock(backend):
    with ThreadPoolExecutor(8) as threads:
        shares = threads.map(take_turns, [backend] * 8, [50] * 8)

    turns = [turn for share in shares for turn in share]
    assert_one_at_a_time(turns, backend.promises.fenced)
