"""Tasks that run for longer than a lease, or take long to store what they return."""

import gc
import os
import sys
from itertools import count
from typing import Any

from tests.worker.app import app
from tests.worker.tasks import PROBED, hold, witness
from unique_task import unique


@app.task
@unique(key="{key}", namespace=PROBED)
def run_under_lease(key: str) -> None:
    hold(key)


class SlowToStore:
    """A result that takes until its gate is open to be stored."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __json__(self) -> Any:
        witness().note("storing", self._key)
        witness().wait_at(self._key)
        return "stored"


@app.task
@unique(key="{key}", namespace=PROBED)
def store_slowly(key: str) -> SlowToStore:
    return SlowToStore(key)


@app.task(acks_late=True)
@unique(key="{key}", namespace=PROBED)
def store_slowly_late(key: str) -> SlowToStore:
    return SlowToStore(key)


_runs = count(1)


@app.task(acks_late=True)
@unique(key="{key}", lock="until_expired", expire=1)
def measure(key: str, look: bool = False) -> list[int]:
    """Return the process, how often it has run this, and its blocks of memory."""
    if look:
        gc.collect()
    return [os.getpid(), next(_runs), sys.getallocatedblocks()]
