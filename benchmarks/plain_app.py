"""A Celery app without this library, for a separate worker."""

from __future__ import annotations

import logging
import os
import time

from celery import Celery, signals

app = Celery("benchmarks")


def configure(broker: str, backend: str, locks: str) -> None:
    """Set where messages, results and locks are kept."""
    app.conf.update(broker_url=broker, result_backend=backend, unique_backend=locks)


# A worker reads its environment; the measuring process calls `configure` itself.
configure(
    broker=os.environ.get("UNIQUE_TEST_BROKER", "memory://"),
    backend=os.environ.get("UNIQUE_TEST_BACKEND", "cache+memory://"),
    locks=os.environ.get("UNIQUE_TEST_REDIS", "memory://"),
)
app.conf.broker_connection_retry_on_startup = True


@app.task
def plain(number: int, text: str = "a") -> None:
    """Do nothing."""


@app.task
def now() -> float:
    """Return when the worker runs this message, by the clock of the machine."""
    return time.monotonic()


@signals.after_setup_logger.connect
def _quieten(**_: object) -> None:
    """Log as much as a worker does by default, and still log when it is ready."""
    for name in ("celery.worker.strategy", "celery.app.trace", "unique_task"):
        logging.getLogger(name).setLevel(logging.WARNING)
