"""Which process is gone for good."""

import subprocess
import sys

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
        process = half_dead.stdout.readline().strip()
        pid = process.split("/")[1]
        wait_until(lambda: state(pid) == "Z")
        assert not is_gone(process)
        half_dead.stdin.close()
        wait_until(lambda: is_gone(process))


def state(pid):
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0]
