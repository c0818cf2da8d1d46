"""Counts the CPU instructions of the guard, if valgrind is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from functools import cache

from benchmarks.measured import Measured, Unmeasured, count
from benchmarks.row import Row, at_most, no_goal
from benchmarks.stage import Stage
from tests.servers import RedisServer

#: Iterations in the shorter of two runs. The difference of both leaves out what is done
#: once: imports, connections, the first use of a cache.
ITERATIONS = 100


def _key(stage: Stage) -> Measured:
    return count(_count(stage.locks, "key")["key"], "instructions")


def _beyond(stage: Stage) -> Measured:
    """What is left of the guard without its key and the client of the store."""
    counts = _all(stage.locks)
    added = counts["run_guarded"] - counts["run_plain"]
    beyond = added - counts["client"] - counts["key"]
    return _side_by_side(beyond, counts, raw=counts["client"])


def _added(stage: Stage) -> Measured:
    counts = _all(stage.locks)
    return _side_by_side(counts["run_guarded"] - counts["run_plain"], counts)


def _side_by_side(
    value: float, counts: dict[str, float], raw: float | None = None
) -> Measured:
    ours, plain = counts["run_guarded"], counts["run_plain"]
    return Measured([value], "instructions", "instructions", ours, plain, raw)


@cache
def _all(locks: RedisServer) -> dict[str, float]:
    """Count all workloads, once for all rows."""
    return _count(locks)


def _count(locks: RedisServer, *workloads: str) -> dict[str, float]:
    """Return the instructions of one iteration of these workloads, or of all."""
    if not shutil.which("valgrind"):
        raise Unmeasured("needs valgrind")
    done = subprocess.run(
        _command(workloads),
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


def _command(workloads: tuple[str, ...]) -> list[str]:
    return [
        *("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"),
        *(sys.executable, "-m", "benchmarks.workloads", str(ITERATIONS), *workloads),
    ]


ROWS = [
    Row("instructions of a key of two arguments", at_most(15_000), _key),
    Row("instructions of the guard beyond key and client", at_most(70_000), _beyond),
    Row("instructions that the guard adds to a run", no_goal(), _added),
]
