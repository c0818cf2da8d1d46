"""A Celery app without this library."""

from __future__ import annotations

import logging
import os
import time

from celery import Celery, signals

app = Celery("benchmarks")
app.conf.update(
    broker_url=os.environ.get("UNIQUE_TEST_BROKER", "memory://"),
    result_backend=os.environ.get("UNIQUE_TEST_BACKEND", "cache+memory://"),
    unique_backend=os.environ.get("UNIQUE_TEST_REDIS", "memory://"),
    broker_connection_retry_on_startup=True,
)


@app.task
def plain(number: int, text: str = "a") -> None:
    """Do nothing."""


@app.task
def now(number: int, text: str = "a") -> float:
    """Return when the body begins, by the clock of the machine."""
    return time.monotonic()


@signals.after_setup_logger.connect
def _quieten(**_: object) -> None:
    """Log as much as a worker does by default, and still log when it is ready."""
    for name in ("celery.worker.strategy", "celery.app.trace", "unique_task"):
        logging.getLogger(name).setLevel(logging.WARNING)
