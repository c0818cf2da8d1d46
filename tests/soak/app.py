"""The Celery app of the soak, for the workers and for who triggers its tasks.

Its bodies bear witness to each other by locks of the kernel, which frees what a dead
process had locked: two bodies of one key at one time are seen for sure, and a killed
one is never taken for one that runs.
"""

import fcntl
import json
import logging
import os
import time
from pathlib import Path
from typing import IO, Any

from celery import Celery, Task
from celery.signals import task_prerun

from tests.soak.diary import Diary
from unique_task import lock_lost, retry, unique
from unique_task.messages.stamp import WAIT_HEADER

#: Comes back so soon that keys are fought for all the time.
SOON = retry(countdown=0.1, maximum=0.5)

app = Celery("soak")


# A worker is told by its environment. Who triggers its tasks says where the broker is,
# and has no result backend: Celery would subscribe to each of the results.
app.conf.update(
    broker_url=os.environ.get("UNIQUE_TEST_BROKER", "memory://"),
    result_backend=os.environ.get("UNIQUE_TEST_BACKEND", "disabled://"),
    unique_backend=os.environ.get("UNIQUE_TEST_REDIS", "memory://"),
    **json.loads(os.environ.get("UNIQUE_TEST_SETTINGS", "{}")),
)

DIARY = "diary"

#: Of a worker: who triggers a task has nothing to note.
DIRECTORY = Path(os.environ.get("SOAK_DIRECTORY", "."))


def diary() -> Diary:
    return Diary(DIRECTORY / DIARY)


def work(task: Task, key: str, seconds: float) -> str:
    """Be busy with `key` for a while, and return the id of the task."""
    task_id = str(task.request.id)
    with (DIRECTORY / f"key-{key}").open("a") as file:
        if not _lock(file):
            diary().note("overlap", task_id, key)
        diary().note("begin", task_id, key)
        time.sleep(seconds)
        diary().note("end", task_id, key)
    return task_id


def _lock(file: IO[str]) -> bool:
    """Lock `file`, or tell that another body has it locked."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@app.task(bind=True, acks_late=True, reject_on_worker_lost=True)
@unique(key="{key}", namespace="soak", on_duplicate=SOON)
def run_surely(self: Task, key: str, seconds: float) -> str:
    return work(self, key, seconds)


@app.task(bind=True, acks_late=True, reject_on_worker_lost=True)
@unique(key="{key}", namespace="soak", on_duplicate="ignore")
def run_or_not(self: Task, key: str, seconds: float) -> str:
    return work(self, key, seconds)


def note_arrival(task: Task, task_id: str, args: Any, **_: Any) -> None:
    request = task.request
    redelivered = bool((request.delivery_info or {}).get("redelivered"))
    back = WAIT_HEADER in (request.headers or {})
    how = "redelivered" if redelivered else "back" if back else "first"
    diary().note("arrive", task_id, f"{how} {args[0]}")


def note_loss(lock: Any, **_: Any) -> None:
    diary().note("lose", lock.owner, lock.key)


class Unfinished(logging.Handler):
    """Notes that the store has not heard that a task has finished."""

    def emit(self, record: logging.LogRecord) -> None:
        owner, _ = record.args  # type: ignore[misc]
        diary().note("unfinished", str(owner))


# In a worker only: who triggers tasks, or has others in his process, notes nothing.
if "SOAK_DIRECTORY" in os.environ:
    task_prerun.connect(note_arrival)
    lock_lost.connect(note_loss)
    logging.getLogger("unique_task.leases.departure").addHandler(Unfinished())
