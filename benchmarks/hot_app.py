"""The app with guarded tasks, and some whose calls wait for one key."""

from __future__ import annotations

import time

from celery import signals

from benchmarks.guarded_app import app, guarded, hold, now
from benchmarks.hot_bodies import FLIGHT, note_arrival, run
from unique_task import unique

__all__ = ["app", "flight", "guarded", "hold", "hot", "now"]


@app.task
@unique(key="hot", on_duplicate="retry")
def hot(call: tuple[int, float]) -> None:
    """Run for the seconds of the call, while no other call does."""
    run(call)


@app.task
@unique(key="{number}", on_duplicate="cached")
def flight(number: int) -> int:
    """Return a value that takes its time."""
    time.sleep(FLIGHT)
    return number


signals.task_prerun.connect(note_arrival, sender=hot)
