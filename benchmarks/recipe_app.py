"""The app without this library, and the lock that many projects write themselves."""

from __future__ import annotations

from functools import cache

from celery import Task, signals
from redis import Redis

from benchmarks.hot_bodies import note_arrival, run
from benchmarks.plain_app import app, now

__all__ = ["app", "hot", "now"]


@app.task(bind=True, max_retries=None)
def hot(self: Task, call: tuple[int, float]) -> None:
    """Run for the seconds of the call; come back in a second while another one does."""
    lock = _locks().lock("hot", timeout=3600)
    if not lock.acquire(blocking=False):
        raise self.retry(countdown=1)
    try:
        run(call)
    finally:
        lock.release()


@cache
def _locks() -> Redis:
    return Redis.from_url(app.conf.unique_backend)


signals.task_prerun.connect(note_arrival, sender=hot)
