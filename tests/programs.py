"""Runs a program to its end, and for a limited time."""

import os
import subprocess
import sys
from typing import Any

#: Seconds that a program has on a busy machine: less than the test that waits for it.
LIMIT = 110.0


def run(
    *command: object, check: bool = False, seconds: float = LIMIT, **how: Any
) -> subprocess.CompletedProcess[str]:
    """Return what a program has printed and how it has ended.

    Arguments:
        check: fail the test with what it said if it has not ended well.
        how: options of ``subprocess.run``.

    Raises:
        subprocess.TimeoutExpired: if it does not end in time; it is killed.
    """
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=seconds, **how)
    assert not (check and done.returncode), done.stderr
    return done


def run_python(
    code: str, *arguments: str, options: tuple[str, ...] = (), **how: Any
) -> subprocess.CompletedProcess[str]:
    """Run a program in our Python; `options` are those of the interpreter."""
    return run(sys.executable, *options, "-c", code, *arguments, **how)


def unmeasured() -> dict[str, str]:
    """The environment for a process that others wait for, or that races with others.

    Its coverage would slow it down by half, and is in the tests without processes.
    """
    inherited = dict(os.environ)
    inherited.pop("COVERAGE_PROCESS_CONFIG", None)
    return inherited
