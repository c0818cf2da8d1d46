"""The Celery app of the worker tests, for the worker and for who calls its tasks."""

import os

from celery import Celery

app = Celery("unique_task_tests")


def configure(broker: str, backend: str, locks: str) -> None:
    """Say where messages, results and locks are kept."""
    app.conf.update(broker_url=broker, result_backend=backend, unique_backend=locks)


# A worker is told by its environment, the test process calls `configure` itself.
configure(
    broker=os.environ.get("UNIQUE_TEST_BROKER", "memory://"),
    backend=os.environ.get("UNIQUE_TEST_BACKEND", "cache+memory://"),
    locks=os.environ.get("UNIQUE_TEST_REDIS", "memory://"),
)
app.conf.broker_connection_retry_on_startup = True
