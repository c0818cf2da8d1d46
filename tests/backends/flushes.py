"""Processes that count the same things at the same time, and repeat each flush.

It is a program of its own, whose children are forks of a process that has no threads
and no connections: ``python -m tests.backends.flushes URL FLUSHES``.
"""

from __future__ import annotations

import os
import random
import sys

from tests.backends.stores import open_store
from unique_task.backends.counting import Counter, Counts

PROCESSES = 4

#: What each flush counts.
AMOUNTS: dict[Counter, float] = {(f"task {n}", "runs"): n + 0.5 for n in range(10)}


def work(url: str, count: int) -> None:
    backend = open_store(url)
    assert isinstance(backend, Counts)
    for number in range(count):
        amounts = dict(random.sample(sorted(AMOUNTS.items()), len(AMOUNTS)))
        for _ in range(2):
            backend.count(f"{os.getpid()} {number}", amounts)


def main(url: str, count: str) -> None:
    # Imports the driver, once for all that are forked. Nothing connects.
    open_store(url)
    for _ in range(PROCESSES):
        if not os.fork():
            work(url, int(count))
            os._exit(0)
    ends = [os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(PROCESSES)]
    sys.exit(max(map(abs, ends)))


if __name__ == "__main__":
    main(*sys.argv[1:])
