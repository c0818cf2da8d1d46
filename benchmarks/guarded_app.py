"""The same app with guarded tasks."""

from __future__ import annotations

import time

from benchmarks.plain_app import app, now
from unique_task import unique

__all__ = ["app", "guarded", "guarded_now", "now", "reserved"]


@app.task
@unique
def guarded(number: int, text: str = "a") -> None:
    """Do nothing; calls with equal numbers do not run at once."""


@app.task
@unique(lock="until_executed")
def reserved(number: int, text: str = "a") -> None:
    """Do nothing; an equal number does not enter the queue before this call ends."""


@app.task
@unique
def guarded_now(number: int, text: str = "a") -> float:
    """Return when the body begins, by the clock of the machine."""
    return time.monotonic()
