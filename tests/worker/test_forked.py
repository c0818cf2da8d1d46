"""A fork that runs Celery's command does what the command does."""

import os
import signal
import subprocess
import sys

import pytest

from tests.programs import run
from tests.worker.forked import start_celery

pytestmark = pytest.mark.any_celery

#: What a worker imports first of all.
APP = """
import os, sys
from celery import Celery

app = Celery()
print(sorted(os.environ), sys.argv, os.getpid(), os.getsid(0), flush=True)
"""


@pytest.fixture
def start(tmp_path):
    """Call it with the words of a command; what it prints is in two files."""

    def start(*words, **environment):
        (tmp_path / "printing.py").write_text(APP)
        env = {"PYTHONPATH": str(tmp_path), **environment}
        with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
            return start_celery(words, env, out, err)

    return start


@pytest.mark.parametrize("words", [["--version"], ["report"], ["flower", "--help"]])
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


def test_its_end_is_waited_for(start):
    process = start("-A", "printing", "worker", "--pool", "solo", "-b", "memory://")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    assert process.poll() is None

    os.killpg(process.pid, signal.SIGKILL)

    assert process.wait(60) == process.poll() == -signal.SIGKILL
