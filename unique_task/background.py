"""Freeing locks for which nobody waits: one thread of the process does it, in turn."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from functools import lru_cache
from queue import SimpleQueue
from threading import Thread

from .exceptions import LockStoreError

logger = logging.getLogger(__name__)

#: Seconds for which a store that does not answer is asked again, and between two tries.
_PATIENCE = 60.0
_PAUSE = 0.5

_Job = tuple[Callable[[], object], float]


def in_background(free: Callable[[], object]) -> None:
    """Call `free` soon, and again for a minute while the store does not answer."""
    _jobs(os.getpid()).put((free, time.monotonic() + _PATIENCE))


@lru_cache(maxsize=1)
def _jobs(pid: int) -> SimpleQueue[_Job]:
    """Return the queue of the thread of this process, which ends with it."""
    # One for all: after an outage there may be thousands of locks.
    jobs: SimpleQueue[_Job] = SimpleQueue()
    Thread(target=_attend, args=(jobs,), name="unique_task free", daemon=True).start()
    return jobs


def _attend(jobs: SimpleQueue[_Job]) -> None:
    while True:
        free, end = jobs.get()
        try:
            free()
        except LockStoreError as error:
            if time.monotonic() > end:
                logger.warning("a lock could not be freed, and ends by time: %s", error)
                continue
            time.sleep(_PAUSE)
            jobs.put((free, end))
        except Exception:
            logger.exception("a lock could not be freed, and ends by its time")
