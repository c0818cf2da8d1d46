"""Which process is gone for good."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import wait_until
from unique_task.process import is_gone

# The first thread tells who it is and ends; the other one lives until it is told to.
HALF_DEAD = """
import ctypes, sys, threading
from unique_task.process import this_process
threading.Thread(target=lambda: sys.stdin.read(1)).start()
print(this_process(), flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing can be told")
def test_a_process_is_gone_when_its_last_thread_is():
    with subprocess.Popen(
        [sys.executable, "-c", HALF_DEAD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as half_dead:
        assert half_dead.stdout
        process = half_dead.stdout.readline().strip()
        wait_until(lambda: state(half_dead.pid) == "Z")
        assert not is_gone(process)
        half_dead.communicate()
    assert is_gone(process)


def state(pid: int) -> str:
    stat = Path(f"/proc/{pid}/stat").read_text()
    return stat.rpartition(")")[2].split()[0]
