"""Many processes take few locks for a while, and some of them die with one in hand.

No more than the limit ever hold a lock at one time, and fences grow. A place whose
holder has died is held until its time has ended.
"""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.backends.fuzz import PROCESSES, turns_of
from tests.backends.stores import STORES, open_store
from tests.backends.turns import Turn, assert_at_most, assert_one_at_a_time
from tests.docs.test_readme import ROOT
from tests.programs import unmeasured

#: Turns of each process; ``make fuzz`` has each take 2000.
TURNS = int(os.environ.get("UNIQUE_TEST_TURNS", "200"))

#: Memory is of one process; the others run the scripts of Redis in one such server, or
#: use a file of SQLite as "sqlite" does.
ALIKE = (
    *("memory", "django-redis-cache", "redis-6.2", "redis-sentinel", "valkey"),
    "django-database",
)
SHARED = [name for name in STORES if name not in ALIKE]


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


def turns_in(url: str, journals: Path, limit: int) -> list[Turn]:
    """What the processes have noted, of whom some died."""
    open_store(url).get("key")
    died = int(output_of(url, str(journals), str(TURNS), str(limit)))
    assert died > 0
    turns = [turn for one in journals.glob("*.jsonl") for turn in turns_of(one)]
    assert len(turns) == PROCESSES * TURNS
    return turns


@pytest.mark.timeout(600)
@pytest.mark.parametrize("store", SHARED)
def test_no_two_processes_overlap_though_some_die(store, request, tmp_path):
    url = request.getfixturevalue(STORES[store])

    turns = turns_in(url, tmp_path, 1)

    assert_one_at_a_time(turns, open_store(url).promises.fenced)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("limit", [2, 7])
@pytest.mark.parametrize("store", sorted({*SHARED} - {"memcached"}))
def test_no_more_than_the_limit_overlap_though_some_die(
    store, limit, request, tmp_path
):
    url = request.getfixturevalue(STORES[store])

    turns = turns_in(url, tmp_path, limit)

    assert_at_most(limit, turns)
    with pytest.raises(AssertionError):  # else they never shared one
        assert_at_most(1, turns)
