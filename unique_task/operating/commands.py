"""What a worker answers to those who operate it: remote control."""

from __future__ import annotations

import time
from typing import Any

from celery.worker.control import inspect_command

from .about import ABOUT, about


@inspect_command(name=ABOUT, visible=False)
def answer_about(state: Any, **_: Any) -> dict[str, Any]:
    """Version and rules of the unique tasks of this worker, for the doctor."""
    return about(state.app, time.time)
