"""The same app with guarded tasks."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

from benchmarks.plain_app import app, now
from unique_task import RedisBackend, unique
from unique_task.backends.record import Record, Token
from unique_task.options.guarded_class import GUARDED

__all__ = ["app", "guarded", "guarded_now", "hold", "now", "reserved"]


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


def hold(task: Any, argument: Any) -> None:
    """Hold the key of ``task(argument)`` as another task does that runs."""
    key = getattr(task, GUARDED).spec.digest(task, (argument,), {})
    record = Record(Token.of_attempt(str(uuid4())), task.name)
    RedisBackend(app.conf.unique_backend).acquire(key, record, 3600)
