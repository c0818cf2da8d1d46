"""Tasks of each policy that are to be delivered again."""

from typing import Any

from celery.result import AsyncResult

from tests.waiting import wait_until
from tests.worker.app import app
from tests.worker.tasks_redelivery import SURVIVING
from tests.worker.witness import Witness

#: Of one task for each policy.
Results = dict[str, AsyncResult]

TIMEOUT = 30

#: Seconds after which Redis as a broker delivers again what nobody acknowledged.
VISIBILITY = 2

#: What waits for a living holder looks again when this may be over.
SHORT = 2


def send_all(
    witness: Witness, keys: dict[str, str], runs: int = 1, **options: Any
) -> Results:
    """Send a task of each policy; return the results when all are running."""
    results = {
        policy: SURVIVING[policy].apply_async((key,), **options)
        for policy, key in keys.items()
    }
    for key in keys.values():
        wait_until(lambda: witness.runs(key) == runs, TIMEOUT)
    return results


def state_of(task_id: str) -> str:
    """What is stored now: a result remembers the outcome that it has seen."""
    return str(app.backend.get_task_meta(task_id, cache=False)["status"])


def pid_of_run(witness: Witness, key: str) -> int:
    pids: list[str] = wait_until(lambda: witness.noted(f"pids {key}"))
    return int(pids[-1])
