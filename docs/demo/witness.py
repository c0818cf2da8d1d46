"""Records what happens in the worker, in one file that all its processes write.

A body writes a line when it begins and another when it ends. It uses no lock: two
beginnings for one order, without an end between them, are an overlap.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any

from celery import Task, current_task
from celery.signals import task_postrun

from unique_task import current_lock, task_duplicate

#: Environment variable with the path of the file.
FILE = "DEMO_WITNESS_FILE"


@dataclass(frozen=True)
class Event:
    """One line of the file.

    Attributes:
        what: ``"began"`` or ``"ended"`` for a body, ``"duplicate"`` for a call
            that met a lock, ``"over"`` when the worker is done with a delivery.
        task: name of the task.
        order: number of the order.
        task_id: id of the call.
        holder: id of the task that holds the lock, if one does.
        state: Celery's state of a call that is over.
        value: its return value, as text.
        worker: process or thread that wrote the line.
        at: seconds since 1970.
    """

    what: str
    task: str
    order: int
    task_id: str
    holder: str | None = None
    state: str | None = None
    value: str | None = None
    worker: str = ""
    at: float = field(default_factory=time.time)


class Testimony:
    """Reads the file while it is written."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a+")
        self._half = ""

    def news(self) -> list[Event]:
        """Return the events that were written since the last call."""
        *lines, self._half = (self._half + self._file.read()).split("\n")
        return [Event(**json.loads(line)) for line in lines]

    def close(self) -> None:
        self._file.close()


@contextmanager
def witness() -> Iterator[None]:
    """Record when the current task's body begins and ends, and who holds its lock."""
    _record("began", current_task, holder=_lock_owner())
    try:
        yield
    finally:
        _record("ended", current_task)


def _on_duplicate(sender: Task[Any, Any], owner: str | None, **_: Any) -> None:
    _record("duplicate", sender, holder=owner)


def _on_postrun(sender: Task[Any, Any], retval: Any, **_: Any) -> None:
    value = retval if isinstance(retval, str) else None
    # Of a call that comes back, or is ignored, only the result store has the state.
    state = sender.backend.get_state(str(sender.request.id))
    _record("over", sender, state=state, value=value)


def _record(what: str, task: Task[Any, Any], **seen: Any) -> None:
    request: Any = task.request
    name = task.name.rpartition(".")[2]
    event = Event(what, name, request.args[0], request.id, worker=_worker(), **seen)
    line = json.dumps(asdict(event)) + "\n"
    # One write at the end of the file: lines of two processes do not mix.
    with open(os.environ.get(FILE, os.devnull), "ab", buffering=0) as file:
        file.write(line.encode())


def _lock_owner() -> str | None:
    try:
        return current_lock().owner
    except LookupError:
        return None


def _worker() -> str:
    thread = current_thread()
    if thread is main_thread():
        return f"process {os.getpid()}"
    return f"thread {thread.name.rpartition('_')[2]}"


task_duplicate.connect(_on_duplicate)
task_postrun.connect(_on_postrun)
