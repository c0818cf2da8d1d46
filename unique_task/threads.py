"""Starts threads that work beside the tasks of the process."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Thread

logger = logging.getLogger(__name__)


def start_thread(work: Callable[[], object], name: str) -> Thread | None:
    """Start a thread that ends with the process; return None if that fails.

    A process or a user may have reached a limit of threads for now. That is logged, and
    no task fails because of it: the caller tries again on the next occasion.
    """
    thread = Thread(target=work, name=name, daemon=True)
    try:
        thread.start()
    except (RuntimeError, MemoryError) as error:
        logger.warning("the thread %r cannot be started for now: %s", name, error)
        return None
    return thread
