"""Which process is gone for good."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import pytest

from tests.forking import in_fork
from tests.waiting import wait_until
from unique_task.leases.process import (
    _identity,
    _machine,
    is_alive,
    is_gone,
    is_stopped,
    this_process,
)

pytestmark = pytest.mark.any_celery

linux = pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere nothing can be told"
)

# The first thread tells who it is and ends; the other one lives until it is told to.
HALF_DEAD = """
import ctypes, sys, threading
from unique_task.leases.process import this_process
threading.Thread(target=lambda: sys.stdin.read(1)).start()
print(this_process(), flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""


@linux
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
        assert is_alive(process)
        half_dead.communicate(timeout=30)
    assert is_gone(process)


def state(pid: int) -> str:
    stat = Path(f"/proc/{pid}/stat").read_text()
    return stat.rpartition(")")[2].split()[0]


# A program that says who it is, and lives until it is told to end.
WAITING = """
import sys
from unique_task.leases.process import this_process
print(this_process(), flush=True)
sys.stdin.read(1)
"""


@pytest.fixture
def other():
    """Another process, and what it is called."""
    command = [sys.executable, "-c", WAITING]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdout
        yield process, process.stdout.readline().strip()
        process.kill()


def test_a_process_that_lives_is_not_gone(other):
    for name in (this_process(), other[1]):
        assert not is_gone(name)
        assert is_alive(name) == bool(name)


def test_a_process_that_stands_still_is_not_gone(other):
    process, name = other
    process.send_signal(signal.SIGSTOP)
    wait_until(lambda: state(process.pid) == "T")

    assert not is_gone(name)
    assert is_stopped(name) == bool(name)
    process.send_signal(signal.SIGCONT)
    wait_until(lambda: not is_stopped(name))


@linux
def test_a_killed_process_is_gone_before_anybody_has_waited_for_it(other):
    process, name = other
    process.kill()

    wait_until(lambda: is_gone(name))
    assert not is_alive(name)
    assert state(process.pid) == "Z"
    process.wait(30)
    assert is_gone(name)


@linux
def test_a_process_is_gone_when_another_one_has_its_number(other):
    machine, pid, start = other[1].split("/")

    another = f"{machine}/{pid}/{int(start) + 1}"
    assert is_gone(another)
    assert not is_alive(another)


@pytest.mark.parametrize(
    "name", ["", "another-machine/1/2", "another-machine/999999/2"]
)
def test_of_a_process_elsewhere_nothing_is_known(name):
    assert not is_gone(name)
    assert not is_alive(name)


@linux
def test_a_process_of_another_user_is_not_gone():
    init = Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19]
    machine = this_process().partition("/")[0]

    assert not is_gone(f"{machine}/1/{init}")


@linux
def test_a_fork_is_another_process():
    parent = this_process()

    assert in_fork(lambda: this_process() != parent and not is_gone(parent))


@pytest.fixture
def nothing_to_see(tmp_path, monkeypatch):
    """A system without /proc, or one that hides there what is of others."""
    name = this_process()
    monkeypatch.setattr("unique_task.leases.process._PROC", tmp_path)
    forget()
    yield name
    monkeypatch.undo()
    forget()


def forget() -> None:
    _machine.cache_clear()
    _identity.cache_clear()


def test_where_nothing_can_be_told_nothing_is_said(nothing_to_see):
    assert this_process() == ""
    assert not is_gone(nothing_to_see)
    assert not is_alive(nothing_to_see)


@linux
def test_what_proc_hides_is_not_gone(other, tmp_path, monkeypatch):
    this_process()
    monkeypatch.setattr("unique_task.leases.process._PROC", tmp_path)

    assert not is_gone(other[1])
    assert not is_alive(other[1])


@pytest.fixture
def machine_with(tmp_path, monkeypatch):
    """Call it for the name of a machine whose /proc shows these namespaces."""
    own = tmp_path / str(os.getpid())
    (own / "ns").mkdir(parents=True)
    (tmp_path / "self").symlink_to(own.name)
    boot = tmp_path / "sys/kernel/random/boot_id"
    boot.parent.mkdir(parents=True)
    boot.write_text("7428d19d")
    monkeypatch.setattr("unique_task.leases.process._PROC", tmp_path)

    def machine_with(**namespaces: str) -> str:
        for link in (own / "ns").iterdir():
            link.unlink()
        for kind, other in namespaces.items():
            (tmp_path / other).touch()
            (own / "ns" / kind).symlink_to(tmp_path / other)
        _machine.cache_clear()
        return _machine()

    yield machine_with
    monkeypatch.undo()
    forget()


def test_a_machine_ends_where_processes_are_counted_anew(machine_with):
    here = machine_with(pid="one", time="clock")

    assert here and here == machine_with(pid="one", time="clock")
    assert here != machine_with(pid="two", time="clock")
    # There the same process seems to have started at another time.
    assert here != machine_with(pid="one", time="another clock")


def test_a_kernel_without_namespaces_of_time_has_one_clock(machine_with):
    assert machine_with(pid="one")


def test_a_kernel_without_namespaces_of_processes_tells_nothing(machine_with):
    assert machine_with() == ""
