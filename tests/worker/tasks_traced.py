"""Tasks whose messages tracers write into, and one that publishes them."""

from typing import Any

from celery import Task

from tests.worker.app import app
from tests.worker.tasks import SOON, hold, witness
from unique_task import retry, unique
from unique_task.options.lock_types import LOCK_TYPES


def counted(lock: Any) -> Any:
    @app.task(name=f"counted {lock}")
    @unique(lock=lock, key="{key}")
    def task(key: str) -> int:
        with witness().running(key):
            return witness().runs(key)

    return task


COUNTED = {lock: counted(lock) for lock in LOCK_TYPES}


@app.task(bind=True, max_retries=1)
@unique(lock="until_executed", key="{key}")
def retrying_once(self: Task, key: str) -> None:
    with witness().running(key):
        if not self.request.retries:
            raise self.retry(countdown=0)


@app.task
@unique(key="{key}", on_duplicate=SOON)
def holding(key: str) -> None:
    hold(key)


@app.task
@unique(
    key="{key}", namespace=holding.name, on_duplicate=retry(countdown=0.1, timeout=1)
)
def giving_up(key: str) -> None:
    """Wait for `holding`, for a second."""


@app.task
def publish(name: str, key: str, queue: str) -> str:
    """Publish a task from a worker, where tracers look on; return its id."""
    return str(app.tasks[name].apply_async((key,), queue=queue).id)
