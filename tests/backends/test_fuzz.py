"""Many processes take few locks for a while, and some of them die with one in hand.

No two ever hold a lock at one time, and fences grow. A lock whose holder has died
is held until its time has ended.
"""

import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from tests.backends.fuzz import PROCESSES, turns_of
from tests.backends.stores import STORES, open_store
from tests.backends.turns import assert_one_at_a_time
from tests.docs.test_readme import ROOT
from tests.worker.worker_process import unmeasured

#: Turns of each process; ``make fuzz`` has each take 2000.
TURNS = int(os.environ.get("UNIQUE_TEST_TURNS", "500"))

#: Memory is of one process; the others speak as Redis does.
SHARED = [
    name
    for name in STORES
    if name not in ("memory", "django-redis-cache", "redis-6.2", "valkey")
]


#: Seconds, of which pytest's own limit leaves some to end the processes.
LIMIT = 570


def output_of(*arguments: str) -> str:
    """What a fuzz prints; when it does not end in time, none of its processes stays."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.backends.fuzz", *arguments],
        cwd=ROOT,
        env=unmeasured(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            printed, errors = process.communicate(timeout=LIMIT)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, errors[-3000:]
    return printed


@pytest.mark.timeout(600)
@pytest.mark.parametrize("store", SHARED)
def test_no_two_processes_overlap_though_some_die(store, request, tmp_path):
    url = request.getfixturevalue(STORES[store])
    open_store(url).get("key")

    died = int(output_of(url, str(tmp_path), str(TURNS)))

    assert died > 0
    turns = [turn for journal in tmp_path.glob("*.jsonl") for turn in turns_of(journal)]
    assert len(turns) == PROCESSES * TURNS
    assert_one_at_a_time(turns, open_store(url).promises.fenced)
