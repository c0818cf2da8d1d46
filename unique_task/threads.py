"""Threads that do the library's work beside the tasks of the process."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Thread

logger = logging.getLogger(__name__)


def start_thread(work: Callable[[], object], name: str) -> Thread | None:
    """Start a thread that ends with the process, or return None and log why not.

    A process has only so many threads, and a user so many processes; both limits may be
    lifted again. No task fails by that: whoever needs the thread starts it on the next
    occasion.
    """
    thread = Thread(target=work, name=name, daemon=True)
    try:
        thread.start()
    except (RuntimeError, MemoryError) as error:
        logger.warning("the thread %r cannot be started for now: %s", name, error)
        return None
    return thread
