import subprocess

import pytest

from tests.programs import run_python

pytestmark = pytest.mark.any_celery


def test_it_returns_what_the_program_has_printed():
    assert run_python("import sys; print(sys.argv[1])", "this").stdout == "this\n"


def test_a_program_that_hangs_is_killed():
    with pytest.raises(subprocess.TimeoutExpired):
        run_python("import time; time.sleep(1000)", seconds=0.5)


def test_a_program_that_fails_fails_the_test_with_what_it_said():
    assert run_python("1 / 0").returncode == 1
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        run_python("1 / 0", check=True)
