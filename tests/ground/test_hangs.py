"""A test that hangs says where, and fails the run; the other tests end."""

import sys

import pytest

from tests.docs.test_readme import ROOT
from tests.programs import run, unmeasured

pytestmark = pytest.mark.any_celery

CONFTEST = """
from tests import hangs
hangs.GRACE = 1
"""

TESTS = """
import ctypes, signal, pytest
from pathlib import Path

pytestmark = pytest.mark.timeout(1)

@pytest.fixture
def endless():
    # xdist tries a test again whose process has ended.
    again = Path("again")
    yield again
    if not again.exists():
        again.touch()
        hang_in_c()

def hang_in_c():
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    with_the_lock_of_the_interpreter = ctypes.PyDLL(None)
    with_the_lock_of_the_interpreter.sleep(1000)

def test_that_fails_and_its_fixture_hangs(endless):
    assert endless.exists()

def test_that_passes():
    pass
"""


@pytest.mark.timeout(300)
def test_a_hang_is_shown_and_the_other_tests_end(tmp_path):
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    plugins = ["-p", "xdist", "-p", "pytest_timeout", "-p", "tests.hangs"]
    options = ["-v", "--numprocesses", "1", "--dist", "loadfile"]

    done = run(
        *(sys.executable, "-m", "pytest", *plugins, *options, "."),
        cwd=tmp_path,
        env={
            **unmeasured(),
            "PYTHONPATH": str(ROOT),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        seconds=240,
    )

    assert done.returncode == 1
    assert "in hang_in_c\n" in done.stderr
    assert "crashed while running 'test_some.py::test_that_fails" in done.stdout
    assert "PASSED test_some.py::test_that_passes" in done.stdout
