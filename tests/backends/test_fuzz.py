"""Many processes take few locks for a while, and some of them die with one in hand.

No two ever hold a lock at one time, and fences grow. A lock whose holder has died
is given to nobody else before its time is over.
"""

import json
import multiprocessing
import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import pairwise
from operator import attrgetter
from pathlib import Path

import pytest

from tests.backends.stores import STORES, open_store, record_of
from unique_task.backends.steps import Acquired

PROCESSES = 8
KEYS = ["one", "two", "three", "four", "five"]

#: Turns of each process; of a thousand of them it dies in some.
TURNS = int(os.environ.get("UNIQUE_TEST_TURNS", "250"))
DEADLY = 0.004

#: Seconds for which a lock is taken; shorter than a process takes for its turns.
EXPIRE = 0.5

DIED = 42

# Processes that are cheap to make: each time one dies, another goes on.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload([__name__])


@dataclass(frozen=True)
class Turn:
    """From when to when a lock was surely held, in nanoseconds of the machine."""

    key: str
    fence: int
    since: int
    until: int


def work(url: str, journal: Path) -> None:
    backend = open_store(url)
    with journal.open("a") as turns:
        for _ in range(TURNS - len(turns_of(journal))):
            turn, token, dies = take(backend)
            turns.write(json.dumps(asdict(turn)) + "\n")
            turns.flush()
            if dies:
                os._exit(DIED)
            backend.release(turn.key, token)


def take(backend) -> tuple[Turn, str, bool]:
    """Take any of the locks, as soon as one can be had; tell whether to die with it."""
    dies = random.random() < DEADLY
    while True:
        key, record = random.choice(KEYS), record_of("one of many")
        asked = time.monotonic_ns()
        answer = backend.acquire(key, record, EXPIRE)
        since = time.monotonic_ns()
        # It began when the store was asked, at the earliest.
        end = asked + int(EXPIRE * 1e9)
        until = end if dies else time.monotonic_ns()
        # Who was stalled for longer than that holds nothing.
        if isinstance(answer, Acquired) and since < until <= end:
            return Turn(key, answer.fence or 0, since, until), record.token, dies


def turns_of(journal: Path) -> list[Turn]:
    lines = journal.read_text().splitlines() if journal.exists() else []
    return [Turn(**json.loads(line)) for line in lines]


def work_to_the_end(url: str, journal: Path) -> int:
    """Have it done by as many processes as it takes; tell how many died."""
    died = 0
    while True:
        process = processes.Process(target=work, args=(url, journal))
        process.start()
        process.join(100)
        if process.exitcode != DIED:
            assert process.exitcode == 0, f"it ended by {process.exitcode}"
            return died
        died += 1


#: Memory is of one process, and a cache of Django is one of the others.
SHARED = [name for name in STORES if name not in ("memory", "django-redis-cache")]


@pytest.mark.parametrize("store", SHARED)
def test_no_two_processes_overlap_though_some_die(store, request, tmp_path):
    url = request.getfixturevalue(STORES[store])
    open_store(url).get("key")
    journals = [tmp_path / f"{number}.jsonl" for number in range(PROCESSES)]

    with ThreadPoolExecutor(PROCESSES) as supervisors:
        died = sum(supervisors.map(work_to_the_end, [url] * PROCESSES, journals))

    turns = [turn for journal in journals for turn in turns_of(journal)]
    assert len(turns) == PROCESSES * TURNS
    assert died
    fenced = open_store(url).promises.fenced
    for key in KEYS:
        own = sorted((one for one in turns if one.key == key), key=attrgetter("since"))
        for earlier, later in pairwise(own):
            assert earlier.until <= later.since
            assert earlier.fence < later.fence or not fenced
