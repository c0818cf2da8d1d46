"""The Celery app of the worker tests, for the worker and for who calls its tasks."""

import json
import os

from celery import Celery

# Only a worker imports all of them; who calls a task imports what it calls.
ALL_TASKS = [
    *("tasks", "tasks_exits", "tasks_forms", "tasks_outage", "tasks_policies"),
    "tasks_operated",
    *("tasks_pools", "tasks_published", "tasks_redelivery", "tasks_retrying"),
    *("tasks_several", "tasks_successors", "tasks_traced", "tasks_waiting"),
]

#: Where locks are, as a worker is told by its environment.
LOCKS = os.environ.get("UNIQUE_TEST_REDIS", "memory://")

# A test that calls many commands names what they import.
TASKS = os.environ.get("UNIQUE_TEST_TASKS", " ".join(ALL_TASKS)).split()

# Its workers refuse tasks of which several may hold a key.
if LOCKS.startswith("memcached:"):
    TASKS = [name for name in TASKS if name != "tasks_several"]

app = Celery(
    "unique_task_tests", include=[f"tests.worker.{module}" for module in TASKS]
)


def configure(broker: str, backend: str, locks: str, witness: str = "") -> None:
    """Say where messages, results, locks and what was witnessed are kept.

    Without `locks`, unique_task is left to find a place for them.
    """
    app.conf.update(
        broker_url=broker,
        result_backend=backend,
        unique_backend=locks or None,
        witness_url=witness,
    )


# A worker is told by its environment, the test process calls `configure` itself.
configure(
    broker=os.environ.get("UNIQUE_TEST_BROKER", "memory://"),
    backend=os.environ.get("UNIQUE_TEST_BACKEND", "cache+memory://"),
    locks=LOCKS,
    witness=os.environ.get("UNIQUE_TEST_WITNESS", ""),
)
app.conf.broker_connection_retry_on_startup = True
app.conf.update(json.loads(os.environ.get("UNIQUE_TEST_SETTINGS", "{}")))
