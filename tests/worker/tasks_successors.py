"""Tasks that send their own next run, and tasks of which somebody awaits the end."""

import os
from typing import Any

from tests.worker.app import app
from tests.worker.tasks import SOON, witness
from unique_task import unique
from unique_task.options.lock_types import LOCK_TYPES

#: How many runs follow each other.
RUNS = 3


#: Celery's stubs know nothing of what a guarded call may say.
AFTER_THIS: dict[str, Any] = {"unique": "successor"}


def looping(lock: Any) -> Any:
    @app.task(name=f"looping {lock}")
    @unique(key="{key}", lock=lock, expire=2, on_duplicate={"run": SOON})
    def task(key: str, number: int = 1) -> None:
        with witness().running(key):
            if number < RUNS:
                task.apply_async((key, number + 1), **AFTER_THIS)
            witness().note(f"pids {key}", str(os.getpid()))
            witness().wait_at(key)

    return task


LOOPING = {lock: looping(lock) for lock in LOCK_TYPES}


def awaited(lock: Any, late: bool) -> Any:
    @app.task(name=f"awaited {lock} {late}", acks_late=late)
    @unique(key="{key}", lock=lock)
    def task(key: str, fails: bool = False) -> str:
        witness().note(f"awaited {key}")
        if fails:
            raise ValueError(key)
        return key

    return task


AWAITED = {
    (lock, late): awaited(lock, late)
    for lock in ("while_executing", "until_executed", "until_and_while_executing")
    for late in (False, True)
}
