"""A plugin for pytest, loaded by itself: the fixture ``unique_store`` and a marker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .options.in_tests import in_tests
from .testing import FreshStore, fresh_store, guards

_MARKER = "unique_task"


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, and warn of locks that a test run would share."""
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(enabled): switch the guards of unique tasks on or off for a test",
    )
    in_tests.warns = True


def pytest_unconfigure() -> None:
    """Leave the process as it was."""
    in_tests.warns = False


@pytest.fixture
def unique_store() -> Iterator[FreshStore]:
    """Give the test locks of its own, in memory, whatever the settings say."""
    with fresh_store() as store:
        yield store


@pytest.fixture(autouse=True)
def _unique_task_guards(request: pytest.FixtureRequest) -> Iterator[None]:
    """Do what the marker ``unique_task(enabled=...)`` says."""
    marker = request.node.get_closest_marker(_MARKER)
    if marker is None:
        yield
        return
    with guards(_enabled(marker)):
        yield


def _enabled(marker: pytest.Mark) -> bool:
    enabled = marker.kwargs.get("enabled")
    if marker.args or set(marker.kwargs) != {"enabled"} or enabled not in (True, False):
        raise pytest.UsageError(
            f"@pytest.mark.{_MARKER}: give enabled=True or enabled=False, as in "
            f"@pytest.mark.{_MARKER}(enabled=False)"
        )
    return bool(enabled)
