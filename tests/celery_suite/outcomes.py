"""A plugin of pytest: writes the outcome of each test to the file OUTCOMES."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

#: The environment variable that names the file.
OUTCOMES = "CELERY_SUITE_OUTCOMES"

_outcomes: dict[str, str] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the outcome of the test, and what went wrong before or after it."""
    known = _outcomes.setdefault(report.nodeid, "passed")
    if report.outcome != "passed":
        said = f"{report.outcome} in {report.when}"
        _outcomes[report.nodeid] = said if known == "passed" else f"{known}, {said}"


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    yield
    Path(os.environ[OUTCOMES]).write_text(json.dumps(_outcomes))


def read(path: Path) -> dict[str, str]:
    """Return the outcomes that a run wrote, by the ids of the tests."""
    found: dict[str, str] = json.loads(path.read_text())
    return found
