"""Tasks for the pictures of the documentation, which note what happens, and when."""

import json
import time
from typing import Any

from celery import current_task
from celery.signals import task_postrun, task_prerun

from tests.worker.app import app
from tests.worker.tasks import witness
from unique_task import unique
from unique_task.recipes import debounce
from unique_task.tasks.decorator import Decorator


def note(task: Any, what: str) -> None:
    """Note the moment; the clock is that of the machine, for all its processes."""
    key, call, *_ = task.request.args
    worker = task.request.hostname.partition("@")[0]
    witness().note(f"picture {key}", json.dumps([what, call, worker, time.time()]))


def pictured(name: str, guard: Decorator, **options: Any) -> Any:
    @app.task(name=name, **options)
    @guard
    def task(key: str, call: int, seconds: float) -> None:
        """Run for so many seconds, and until the gate of `key` is open."""
        note(current_task, "begins")
        time.sleep(seconds)
        witness().wait_at(key)
        note(current_task, "ends")

    return task


WAITING = unique(key="{key}", on_duplicate="retry")

charge = pictured("charge", WAITING)
#: Nobody starts its calls early, as it has a rate: each comes back by itself.
polling = pictured("polling", WAITING, rate_limit="1000/s")
index = pictured("index", debounce(5, key="{key}"))

PICTURED = {task.name: task for task in (charge, polling, index)}


def note_arrival(sender: Any, **_: Any) -> None:
    if sender.name in PICTURED:
        note(sender, "arrives")


def note_leaving(sender: Any, **_: Any) -> None:
    if sender.name in PICTURED:
        note(sender, "leaves")


if app.conf.witness_url:
    task_prerun.connect(note_arrival)
    task_postrun.connect(note_leaving)
