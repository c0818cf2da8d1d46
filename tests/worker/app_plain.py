"""The app of a worker that throws messages away, or runs them without their guard."""

import os
import signal
import time
from typing import Any

from celery import Celery, Task
from celery.exceptions import TaskRevokedError
from celery.worker.request import Request

import unique_task  # noqa: F401

app = Celery(
    "unique_task_plain",
    broker=os.environ.get("UNIQUE_TEST_BROKER"),
    backend=os.environ.get("UNIQUE_TEST_BACKEND"),
)
app.conf.update(
    unique_backend=os.environ.get("UNIQUE_TEST_REDIS"),
    broker_connection_retry_on_startup=True,
)


class Refused(Request):
    """A message that its task does not want."""

    def execute_using_pool(self, pool: Any, **options: Any) -> Any:
        self.reject(requeue=False)
        raise TaskRevokedError(self.id)


class Dying(Task):
    def before_start(self, *args: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="plain")
def plain() -> None: ...


@app.task(name="refused", Request=Refused)
def refused() -> None: ...


@app.task(name="dying", base=Dying)
def dying() -> None: ...


@app.task(name="out of time", acks_late=True, time_limit=1)
def out_of_time() -> None:
    time.sleep(60)


@app.task(name="guarded and dying", base=Dying)
@unique_task.unique(lock="until_executed")
def guarded() -> None: ...


@app.task(name="guarded and refused", Request=Refused)
@unique_task.unique(lock="until_executed")
def guarded_and_refused() -> None: ...
