"""Workers, the queue that only they read, and the process that publishes to it."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.publisher import Publisher
from tests.worker.worker_process import WorkerProcess


class Lane:
    """Runs batches of the tasks of one app.

    Attributes:
        queue: what the workers read.
        publisher: the process that publishes.
        workers: one for each number of `processes`, with a pool of so many.
    """

    def __init__(
        self,
        directory: Path,
        urls: tuple[str, str, str],
        pool: str,
        app: str,
        processes: Sequence[int],
        witness: str,
    ) -> None:
        self._stack = ExitStack()
        self.queue = f"{pool}-{app}"
        self.publisher = Publisher(app, urls)
        self.workers = [
            WorkerProcess(
                directory,
                *urls,
                pool=pool,
                concurrency=number,
                app=f"benchmarks.{app}",
                witness=witness,
                options=("-Q", self.queue),
            )
            for number in processes
        ]

    def seconds(self, task: str, numbers: list[int], ignored: bool = False) -> float:
        """Return the seconds that the workers take for one task of a batch."""
        self.send(task, numbers, ignored)
        return self.run() / len(numbers)

    def send(self, task: str, numbers: list[int], ignored: bool = False) -> None:
        """Publish a batch, and stop the workers before.

        So they do not start before all is sent, and use no CPU.
        """
        self.stop()
        self.publisher.call("queue", task, numbers, self.queue, ignored)

    def run(self) -> float:
        """Let the workers run what was sent, and return the seconds that they take."""
        self.go_on()
        return float(self.publisher.call("worked"))

    def start(self, task: str, numbers: list[int], pause: float) -> float:
        """Return the seconds from a publish to the start of the body, worker idle."""
        begun = self.publisher.call("start", task, numbers, self.queue, pause)
        return float(begun)

    def stop(self) -> None:
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for worker in self.workers:
            os.killpg(worker.pid, number)

    def __enter__(self) -> Lane:
        self._stack.enter_context(self.publisher)
        for worker in self.workers:
            self._stack.enter_context(worker)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
