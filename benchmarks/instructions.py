"""Counts the CPU instructions of the guard, if valgrind is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.report import Row, at_most
from tests.servers import RedisServer

#: Iterations in the shorter of two runs. The difference of both leaves out what is done
#: once: imports, connections, the first use of a cache.
ITERATIONS = 100


def rows(locks: RedisServer) -> Iterator[Row]:
    counted = _count(locks) if shutil.which("valgrind") else None
    key = "instructions of a key of two small arguments"
    rest = "instructions of the rest of the guard beyond the client"
    if counted is None:
        missing = "not measured: needs valgrind"
        yield Row(key, [], at_most(20_000), missing)
        yield Row(rest, [], at_most(60_000), missing)
        return
    yield Row(key, [counted["key"]], at_most(20_000))
    beyond = (
        counted["run_guarded"]
        - counted["run_plain"]
        - counted["client"]
        - counted["key"]
    )
    yield Row(rest, [beyond], at_most(60_000))


def _count(locks: RedisServer) -> dict[str, float]:
    """Return the instructions of one iteration of each workload."""
    done = subprocess.run(
        _command(),
        env={**os.environ, "PYTHONHASHSEED": "0", "UNIQUE_TEST_REDIS": locks.url},
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.findall(r"==(\d+)== Collected : (\d+)", done.stderr)
    collected = {int(pid): int(count) for pid, count in found}
    counts = {}
    for line in done.stdout.splitlines():
        name, once, twice = line.split()
        counts[name] = (collected[int(twice)] - collected[int(once)]) / ITERATIONS
    return counts


def _command() -> list[str]:
    return [
        *("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"),
        *(sys.executable, "-m", "benchmarks.workloads", str(ITERATIONS)),
    ]
