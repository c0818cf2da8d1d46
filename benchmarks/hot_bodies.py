"""What the bodies of hot keys do: they take their time, and note when they ran."""

from __future__ import annotations

import json
import os
import time
from functools import cache

from redis import Redis

#: Where runs are noted, and how often the message of each task reached a process.
RUNS, ARRIVALS = "runs", "arrivals"

#: Seconds of a run that many callers want the value of.
FLIGHT = 0.5


def run(call: tuple[int, float]) -> None:
    """Take so many seconds, and note the number of the call, the begin and the end.

    Times are by the clock of the machine, which all its processes share.
    """
    number, seconds = call
    began = time.monotonic()
    time.sleep(seconds)
    ended = time.monotonic()
    _witness().rpush(RUNS, json.dumps([number, began, ended]))


def note_arrival(task_id: str, **_: object) -> None:
    """Note that a message has reached a process of the pool."""
    _witness().hincrby(ARRIVALS, task_id, 1)


@cache
def _witness() -> Redis:
    return Redis.from_url(os.environ["UNIQUE_TEST_WITNESS"])
