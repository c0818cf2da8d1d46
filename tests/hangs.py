"""The net under a test that hangs: its process says where it hangs, and ends.

pytest-timeout raises an error in the main thread, once. It does not reach a thread that
waits in C, and nothing is left of it when code has swallowed the error, when the test
has used the signal itself, or when the fixtures of a test that failed do not end. This
net needs no thread of Python's and no signal. The other processes finish the run.
"""

import faulthandler
import os
from collections.abc import Iterator
from typing import Any

import pytest

#: Seconds after pytest-timeout's limit that each phase of a test has.
GRACE = 60

LIMIT = pytest.StashKey[float]()
STDERR = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    # What tests write to it is captured later on.
    config.stash[STDERR] = os.dup(2)


def pytest_unconfigure(config: pytest.Config) -> None:
    os.close(config.stash[STDERR])


def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> None:
    """Take note of a test's own limit; without a limit there is no net."""
    item.stash[LIMIT] = settings.timeout


# In each phase anew: pytest takes the net away when a test has failed.
@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    _spread_net(item)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    _spread_net(item)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    _spread_net(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Iterator[None]:
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


def _spread_net(item: pytest.Item) -> None:
    if LIMIT in item.stash:
        seconds, stderr = item.stash[LIMIT] + GRACE, item.config.stash[STDERR]
        faulthandler.dump_traceback_later(seconds, exit=True, file=stderr)
