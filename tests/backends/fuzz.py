"""Many processes take few locks for a while, and some of them die with one in hand.

It is a program of its own, whose children are forks of a process that has no threads
and no connections: ``python -m tests.backends.fuzz URL DIRECTORY TURNS LIMIT`` has each
write a journal there, and tells how many died.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.backends.stores import REMEMBERED, open_store, record_of, redelivered
from tests.backends.turns import Turn
from unique_task.backends.base import Backend
from unique_task.backends.record import Record
from unique_task.backends.steps import Acquired, Finished

PROCESSES = 8
#: Limit -> the locks, with fewer places in all than there are processes.
KEYS = {1: ["one", "two", "three", "four", "five"], 2: ["one", "two"], 7: ["one"]}

#: In this part of its turns a process dies.
DEADLY = 0.01

#: And in this part of them who has the lock is known again, which takes more steps.
KNOWN = 0.1

#: Seconds for which a lock is taken; shorter than a process takes for its turns.
EXPIRE = 0.5

#: Seconds for which one of several places is held at most.
HOLD = 0.02

DIED = 42


def turns_of(journal: Path) -> list[Turn]:
    lines = journal.read_text().splitlines() if journal.exists() else []
    return [Turn(**json.loads(line)) for line in lines]


def work(url: str, journal: Path, count: int, limit: int) -> None:
    """Take locks until the journal is full, which another process may have begun."""
    backend = open_store(url)
    with journal.open("a") as turns:
        for _ in range(count - len(turns_of(journal))):
            known, dies = random.random() < KNOWN, random.random() < DEADLY
            once = REMEMBERED if known else 0
            turn, record = take(backend, once, dies, limit)
            turns.write(json.dumps(asdict(turn)) + "\n")
            turns.flush()
            if dies:
                os._exit(DIED)
            how: Any = {"finished_for": once, "limit": limit}
            backend.release(turn.key, record.token, **how)
            if known:
                again = redelivered(record)
                how = {"remember_for": once, "limit": limit}
                answer = backend.acquire(turn.key, again, EXPIRE, **how)
                assert answer == Finished(), answer


def take(backend: Backend, once: float, dies: bool, limit: int) -> tuple[Turn, Record]:
    """Take any of the locks, as soon as one can be had."""
    while True:
        key, record = random.choice(KEYS[limit]), record_of(uuid4().hex)
        asked = time.monotonic_ns()
        how: Any = {"remember_for": once, "limit": limit}
        answer = backend.acquire(key, record, EXPIRE, **how)
        since = time.monotonic_ns()
        # Others come meanwhile, and find places as well.
        time.sleep(random.uniform(0, HOLD) if limit > 1 else 0)
        # It began when the store was asked, at the earliest.
        end = asked + int(EXPIRE * 1e9)
        until = end if dies else time.monotonic_ns()
        # Who was stalled for longer than that holds nothing.
        if isinstance(answer, Acquired) and since < until <= end:
            return Turn(key, answer.fence or 0, asked, since, until), record


def fork(url: str, journal: Path, count: int, limit: int) -> int:
    """Start a process that works, and does nothing else of what this one does."""
    if pid := os.fork():
        return pid
    try:
        random.seed()
        work(url, journal, count, limit)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def main(url: str, directory: str, turns: str, limit: str) -> None:
    # Imports the driver, once for all that are forked. Nothing connects.
    open_store(url)
    journals = [Path(directory, f"{number}.jsonl") for number in range(PROCESSES)]
    running: dict[int, Path] = {}
    died = 0
    try:
        for journal in journals:
            running[fork(url, journal, int(turns), int(limit))] = journal
        while running:
            pid, status = os.wait()
            journal, code = running.pop(pid), os.waitstatus_to_exitcode(status)
            if code == DIED:
                died += 1
                running[fork(url, journal, int(turns), int(limit))] = journal
            elif code:
                sys.exit(f"a process ended by {code}")
    finally:
        for pid in running:
            os.kill(pid, signal.SIGKILL)
    print(died)


if __name__ == "__main__":
    main(*sys.argv[1:])
