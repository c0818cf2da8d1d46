"""A fork that runs Celery's command does what the command does."""

import signal
import subprocess
import sys

import psutil
import pytest

from tests.programs import run
from tests.worker import forked
from tests.worker.forked import start_celery

pytestmark = pytest.mark.any_celery

#: What a worker imports first of all.
APP = """
import os, sys
from celery import Celery

app = Celery()
print(sorted(os.environ), sys.argv, os.getpid(), os.getsid(0), flush=True)
print(os.getcwd(), sys.path[0], file=sys.stderr, flush=True)
"""

#: Ends when it is killed.
WORKER = ["-A", "printing", "-b", "memory://", "worker", "--pool", "solo"]


@pytest.fixture
def start(tmp_path):
    """Call it with the words of a command; what it prints is in two files."""

    def start(*words, **environment):
        (tmp_path / "printing.py").write_text(APP)
        env = {"PYTHONPATH": str(tmp_path), **environment}
        with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
            return start_celery(words, env, out, err)

    return start


@pytest.mark.parametrize("words", [["report"], ["flower", "--help"]])
def test_it_prints_what_the_command_prints_and_ends_as_it_does(start, tmp_path, words):
    command = run(sys.executable, "-m", "celery", *words)

    assert start(*words).wait(60) == command.returncode
    assert (tmp_path / "out").read_text() == command.stdout
    assert (tmp_path / "err").read_text() == command.stderr


def test_it_has_the_environment_that_it_is_given_and_a_session_of_its_own(
    start, tmp_path
):
    process = start("-A", "printing", "report", WORD="word")

    assert process.wait(60) == 0
    environment, _, rest = (tmp_path / "out").read_text().partition("]")
    assert environment == "['PYTHONPATH', 'WORD'"
    assert rest.splitlines()[0].endswith(f", 'report'] {process.pid} {process.pid}")


def test_it_is_where_it_was_started(start, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert start("-A", "printing", "report").wait(60) == 0

    err = (tmp_path / "err").read_text()
    assert err.splitlines()[0] == f"{tmp_path} {tmp_path}"


def test_its_end_is_waited_for(start):
    process = start(*WORKER)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    assert process.poll() is None

    process.kill()

    assert process.wait(60) == process.poll() == -signal.SIGKILL


@pytest.mark.parametrize("signal_", [signal.SIGKILL, signal.SIGSTOP])
def test_if_nobody_forks_one_test_fails_and_the_next_starts_a_worker(
    start, monkeypatch, signal_
):
    """The process that forks is dead, or it hangs."""
    process = start(*WORKER)
    _, forking, *_ = psutil.Process(process.pid).parents()
    forking.send_signal(signal_)

    with monkeypatch.context() as patched:
        patched.setattr(forked, "PATIENCE", 0.5)
        with pytest.raises(RuntimeError, match="no fork of the process"):
            start("--version")

    assert start("--version").wait(60) == 0
    # Those that were started before live on.
    assert process.poll() is None
    process.kill()
    assert process.wait(60) == -signal.SIGKILL
