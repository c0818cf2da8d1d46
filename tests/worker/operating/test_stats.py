"""What was counted, seen from the command line; on a terminal, again and again."""

import os
import pty
import signal
from typing import Any

import pytest

from tests.counting.counted import flushed
from tests.waiting import wait_until
from tests.worker.app import app
from tests.worker.tasks_exits import leave
from unique_task.counting import names
from unique_task.counting.tally import count
from unique_task.operating.app_tasks import stores_of

pytestmark = pytest.mark.worker

#: What clears a terminal.
CLEAR = b"\x1b[2J"


@pytest.fixture(autouse=True)
def counted(module_urls: Any) -> None:
    """Something of a task, by a process that is not the command's."""
    # Of the worker's app, this process has imported the tasks of one module alone.
    [backend] = stores_of(app).values()
    for _ in range(3):
        count(backend, leave.name, names.RUNS, 1.5)
    assert flushed()


def test_the_counters_of_other_processes_are_printed(unique):
    done = unique("stats", "--task", "*.leave")

    assert done.code == 0, done.err
    head, row = done.rows[2:]
    assert head == ["TASK", "RUNS", "MEAN", "HELD"]
    assert row == [leave.name, "3", "/", "3", "1.5", "s", "/", "1.5", "s"]


def test_on_a_terminal_each_look_takes_the_place_of_the_last_until_ctrl_c(unique):
    ours, theirs = pty.openpty()
    seen = b""

    def looks() -> int:
        nonlocal seen
        seen += os.read(ours, 65536)
        return seen.count(CLEAR)

    with unique.started("watch", "--interval", "0.2", stdout=theirs) as process:
        wait_until(lambda: looks() >= 2, 60)
        process.send_signal(signal.SIGINT)

        assert process.wait(30) == 0
    assert leave.name.encode() in seen
    assert b"held: nothing" in seen
    os.close(ours)
    os.close(theirs)
