"""The web page of an app, as a process of its own, to look at in a browser."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.waiting import wait_until
from tests.worker.app import app
from tests.worker.operating.command import Unique
from unique_task.backends.base import Backend
from unique_task.options.app_settings import backend_of, settings_of

#: Seconds between two looks of an open page, if a test waits for it.
REFRESH = 0.2

#: What the page has to import.
TASKS = {"UNIQUE_TEST_TASKS": "tasks_operated"}


@contextmanager
def serving(unique: Unique, *words: object) -> Iterator[str]:
    """Serve the page, and give its URL."""
    options = ("web", "--port", 0, "--refresh", REFRESH, *words)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in TASKS.items():
            patch.setenv(name, value)
        started = unique.started(*options, stdout=subprocess.PIPE)
        with started as web:
            assert web.stdout
            yield wait_until(web.stdout.readline).decode().split()[-1].rstrip("/")
            web.send_signal(signal.SIGTERM)
            assert web.wait(60) == 0


@pytest.fixture(scope="module")
def module_unique(entry_points, module_urls) -> Unique:
    return Unique(entry_points, module_urls)


@pytest.fixture(scope="module")
def refresh() -> float:
    """Seconds between two looks of an open page, for the tests of a module."""
    return REFRESH


@pytest.fixture(scope="module")
def site(module_unique, refresh) -> Iterator[str]:
    """The URL of a page that lets anybody release and hold."""
    words = ("--allow-actions", "--timeout", 0, "--refresh", refresh)
    with serving(module_unique, *words) as url:
        yield url


@pytest.fixture(scope="module")
def store(module_urls) -> Backend:
    """Where the app's locks are, seen from the test."""
    return backend_of(app, settings_of(app))
