"""What a worker answers to those who operate it: remote control."""

from __future__ import annotations

import time
from typing import Any

from celery.worker.control import inspect_command

from ..leases.process import is_alive, is_gone
from .about import ABOUT, about
from .verdicts import PROCESSES


@inspect_command(name=ABOUT, visible=False)
def answer_about(state: Any, **_: Any) -> dict[str, Any]:
    """Version and rules of the unique tasks of this worker, for the doctor."""
    return about(state.app, time.time)


@inspect_command(name=PROCESSES, visible=False)
def answer_processes(state: Any, processes: Any = (), **_: Any) -> dict[str, bool]:
    """Whether processes live, of those that this worker can see; for verdicts."""
    names = list(map(str, processes))
    alive = {name: True for name in names if is_alive(name)}
    return alive | {name: False for name in names if is_gone(name)}
