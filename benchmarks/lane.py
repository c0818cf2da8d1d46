"""A worker, the queue that only it reads, and the process that publishes to it."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from pathlib import Path

from benchmarks.publisher import Publisher
from tests.worker.worker_process import WorkerProcess


class Lane:
    """Runs batches of the tasks of one app."""

    def __init__(
        self, directory: Path, urls: tuple[str, str, str], pool: str, app: str
    ) -> None:
        self._stack = ExitStack()
        self._queue = f"{pool}-{app}"
        self._worker = WorkerProcess(
            directory,
            *urls,
            pool=pool,
            app=f"benchmarks.{app}",
            options=("-Q", self._queue),
        )
        self._publisher = Publisher(app, urls)

    def seconds(self, task: str, numbers: list[int], ignored: bool = False) -> float:
        """Return the seconds that the worker takes for one task of a batch."""
        self.send(task, numbers, ignored)
        return self.run() / len(numbers)

    def send(self, task: str, numbers: list[int], ignored: bool = False) -> None:
        """Publish a batch, and stop the worker before.

        So it does not start before all is sent, and uses no CPU.
        """
        os.killpg(self._worker.pid, signal.SIGSTOP)
        self._publisher.call("queue", task, numbers, self._queue, ignored)

    def run(self) -> float:
        """Let the worker run what was sent, and return the seconds that it takes."""
        os.killpg(self._worker.pid, signal.SIGCONT)
        return float(self._publisher.call("worked"))

    def start(self, task: str, numbers: list[int], pause: float) -> float:
        """Return the seconds from a publish to the start of the body, worker idle."""
        begun = self._publisher.call("start", task, numbers, self._queue, pause)
        return float(begun)

    def __enter__(self) -> Lane:
        self._stack.enter_context(self._publisher)
        self._stack.enter_context(self._worker)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
