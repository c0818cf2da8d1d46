"""Many processes take few locks for a while, and some of them die with one in hand.

It is a program of its own, whose children are forks of a process that has no threads
and no connections: ``python -m tests.backends.fuzz URL DIRECTORY TURNS`` has each write
a journal there, and tells how many died.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from dataclasses import asdict
from pathlib import Path

from tests.backends.stores import open_store, record_of
from tests.backends.turns import Turn
from unique_task.backends.base import Backend
from unique_task.backends.steps import Acquired

PROCESSES = 8
KEYS = ["one", "two", "three", "four", "five"]

#: Of a thousand turns, a process dies in some.
DEADLY = 0.004

#: Seconds for which a lock is taken; shorter than a process takes for its turns.
EXPIRE = 0.5

DIED = 42


def turns_of(journal: Path) -> list[Turn]:
    lines = journal.read_text().splitlines() if journal.exists() else []
    return [Turn(**json.loads(line)) for line in lines]


def work(url: str, journal: Path, count: int) -> None:
    """Take locks until the journal is full, which another process may have begun."""
    backend = open_store(url)
    with journal.open("a") as turns:
        for _ in range(count - len(turns_of(journal))):
            turn, token, dies = take(backend)
            turns.write(json.dumps(asdict(turn)) + "\n")
            turns.flush()
            if dies:
                os._exit(DIED)
            backend.release(turn.key, token)


def take(backend: Backend) -> tuple[Turn, str, bool]:
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


def main(url: str, directory: str, turns: str) -> None:
    running: dict[int, Path] = {}
    # Imports the driver, once for all that are forked. Nothing connects.
    open_store(url)

    def start(journal: Path) -> None:
        pid = os.fork()
        if pid:
            running[pid] = journal
            return
        random.seed()
        work(url, journal, int(turns))
        sys.exit()

    for number in range(PROCESSES):
        start(Path(directory, f"{number}.jsonl"))
    died = 0
    while running:
        pid, status = os.wait()
        journal, code = running.pop(pid), os.waitstatus_to_exitcode(status)
        if code == DIED:
            died += 1
            start(journal)
        elif code:
            sys.exit(f"a process ended by {code}")
    print(died)


if __name__ == "__main__":
    main(*sys.argv[1:])
