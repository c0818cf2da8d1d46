"""Many processes take few locks for a while, and some of them die with one in hand.

No two ever hold a lock at one time, and fences grow. A lock whose holder has died
is given to nobody else before its time is over.
"""

import os
import subprocess
import sys

import pytest

from tests.backends.fuzz import PROCESSES, turns_of
from tests.backends.stores import STORES, open_store
from tests.backends.turns import assert_one_at_a_time
from tests.test_readme import ROOT
from tests.worker.worker_process import unmeasured

#: Turns of each process; ``make fuzz`` has each take 2000.
TURNS = int(os.environ.get("UNIQUE_TEST_TURNS", "500"))

#: Memory is of one process; the others speak as Redis does.
SHARED = [
    name
    for name in STORES
    if name not in ("memory", "django-redis-cache", "redis-6.2", "valkey")
]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("store", SHARED)
def test_no_two_processes_overlap_though_some_die(store, request, tmp_path):
    url = request.getfixturevalue(STORES[store])
    open_store(url).get("key")

    done = subprocess.run(
        [sys.executable, "-m", "tests.backends.fuzz", url, tmp_path, str(TURNS)],
        cwd=ROOT,
        env=unmeasured(),
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) > 0
    turns = [turn for journal in tmp_path.glob("*.jsonl") for turn in turns_of(journal)]
    assert len(turns) == PROCESSES * TURNS
    assert_one_at_a_time(turns, open_store(url).promises.fenced)
