"""Measures what the guard costs, and prints each number beside its budget."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import instructions, publish, start_up, store, stores, worker
from benchmarks.report import Row, heading
from tests.servers import RedisServer

PAIRS = 9


def main() -> None:
    parser = argparse.ArgumentParser("benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one pair of each")
    options = parser.parse_args()
    print(heading())
    for row in _rows(pairs=1 if options.quick else PAIRS):
        print(row, flush=True)


def _rows(pairs: int) -> Iterator[Row]:
    with ExitStack() as stack:
        broker, locks = (stack.enter_context(_redis(stack)) for _ in range(2))
        directory = Path(stack.enter_context(TemporaryDirectory()))
        yield from store.rows(locks, pairs)
        yield from stores.rows(pairs)
        workers = worker.Workers(directory, broker, locks)
        yield from publish.rows(locks, pairs)
        yield from worker.rows(workers, pairs)
        yield from instructions.rows(locks)
        yield from start_up.rows(pairs)


def _redis(stack: ExitStack) -> RedisServer:
    return RedisServer(Path(stack.enter_context(TemporaryDirectory())))


main()
