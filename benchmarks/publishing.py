"""What a publisher does: each line that it reads is a call of a function here."""

from __future__ import annotations

import importlib
import json
import math
import sys
import time
from statistics import median
from typing import Any

from celery import group
from celery.exceptions import TimeoutError

#: A queue that no worker reads.
UNREAD = "unread"


class Publishing:
    """Publishes the tasks of one app, by their names."""

    def __init__(self, app: str) -> None:
        self._module: Any = importlib.import_module(f"benchmarks.{app}")
        self._queued: Any = ()

    def publish(self, task: str, arguments: list[Any], queue: str = UNREAD) -> float:
        """Publish a call with each argument, and return the seconds of one."""
        send = getattr(self._module, task).apply_async
        started = time.perf_counter()
        for argument in arguments:
            send((argument,), queue=queue)
        return (time.perf_counter() - started) / len(arguments)

    def publish_group(self, task: str, numbers: list[int]) -> float:
        """Publish them as a group, and return the seconds of one."""
        signature = getattr(self._module, task).s
        started = time.perf_counter()
        group([signature(number) for number in numbers]).apply_async(queue=UNREAD)
        return (time.perf_counter() - started) / len(numbers)

    def hold(self, task: str, argument: Any) -> None:
        """Hold the key of ``task(argument)``; of an app with guarded tasks only."""
        self._module.hold(getattr(self._module, task), argument)

    def empty(self) -> None:
        """Remove what was published and no worker reads."""
        with self._module.app.connection_for_write() as connection:
            connection.default_channel.queue_purge(UNREAD)

    def queue(self, task: str, numbers: list[int], queue: str, ignored: bool) -> None:
        """Publish for a worker that is stopped."""
        send = getattr(self._module, task).apply_async
        first = self._module.now.apply_async((0,), queue=queue)
        for number in numbers:
            send((number,), queue=queue, ignore_result=ignored)
        last = self._module.now.apply_async((0,), queue=queue)
        self._queued = first, last

    def worked(self) -> float:
        """Return the seconds from the first to the last that was queued.

        They are infinite if the last one does not run in time.
        """
        try:
            first, last = (float(result.get(timeout=120)) for result in self._queued)
        except TimeoutError:
            return math.inf
        return last - first

    def answers(self, task: str, arguments: list[Any], queue: str) -> float:
        """Return the seconds from the first publish to the last answer."""
        send = getattr(self._module, task).apply_async
        started = time.perf_counter()
        for result in [send((argument,), queue=queue) for argument in arguments]:
            result.get(timeout=120)
        return time.perf_counter() - started

    def start(self, task: str, numbers: list[int], queue: str, pause: float) -> float:
        """Return the seconds from a publish to the body, on a worker that is idle."""
        send = getattr(self._module, task).apply_async
        seconds = []
        for number in numbers:
            time.sleep(pause)  # which no result tells: the worker ends its last task
            started = time.monotonic()
            began = send((number,), queue=queue).get(timeout=60)
            seconds.append(began - started)
        return float(median(seconds))


def main(app: str) -> None:
    publishing = Publishing(app)
    for line in sys.stdin:
        function, arguments, options = json.loads(line)
        answer = getattr(publishing, function)(*arguments, **options)
        print(json.dumps(answer), flush=True)


main(sys.argv[1])
