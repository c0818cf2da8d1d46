"""Where a body is left: one key, one worker if there is any, and who looks on."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from tests.waiting import wait_until
from tests.worker import tasks_exits, tasks_several
from tests.worker.app import app
from tests.worker.witness import Witness
from tests.worker.worker_process import WorkerProcess
from unique_task.backends.steps import Held
from unique_task.options.app_settings import backend_of, settings_of
from unique_task.options.guarded_class import GUARDED


@dataclass
class Scene:
    """One key on its way through one exit.

    Attributes:
        worker: that runs the body; None if the test process does.
        witness: of what the bodies do.
        late: whether the message is acknowledged late.
        several: whether another run may hold the key too.
        key: of no other scene.
        left: when the exit was taken.
    """

    worker: WorkerProcess | None
    witness: Witness
    late: bool = False
    several: bool = False
    key: str = field(default_factory=lambda: uuid4().hex)
    left: float = 0.0

    @property
    def task(self) -> Any:
        late = "_late" if self.late else ""
        if self.several:
            return getattr(tasks_several, f"leave{late}_among_several")
        return getattr(tasks_exits, f"leave{late}")

    @property
    def its_worker(self) -> WorkerProcess:
        assert self.worker, "this way out needs a worker"
        return self.worker

    def begin(self, how: str = "return", **options: Any) -> Any:
        """Send the task; return when its body runs under its lock."""
        result = self.task.apply_async([self.key, how], **options)
        self.wait_for_body()
        return result

    @contextmanager
    def beginning(self, call: Callable[..., Any]) -> Iterator[None]:
        """Have the body run by `call`, in this process, while the block runs."""
        with ThreadPoolExecutor(1) as threads:
            running = threads.submit(call, self.key)
            self.wait_for_body()
            yield
            running.result(timeout=30)

    def wait_for_body(self) -> None:
        wait_until(lambda: self.runs, message=self._told)
        # A lease that ended while the machine stood still is taken again at once.
        wait_until(self.held, message="the body runs without a lock")

    def open(self) -> None:
        """Let the body go on to its end, and all that come later."""
        self.witness.open(self.key)

    @property
    def runs(self) -> int:
        return self.witness.runs(self.key)

    @property
    def pid(self) -> int:
        """Of the process that runs the body."""
        return int(self.witness.noted(f"pid {self.key}")[0])

    def held(self) -> Held | None:
        """What the store says: nobody asks for the lock, so nobody takes it over."""
        store = backend_of(app, settings_of(app))
        digest = getattr(self.task, GUARDED).spec.digest(self.task, (self.key,), {})
        return store.get(digest)

    def leaves(self, after: float = 0) -> None:
        """Note that the exit is taken now, or so many seconds later."""
        self.left = time.monotonic() + after

    def wait_until_free(self, within: float) -> float:
        """Return how many seconds after the exit the store had no lock any more."""
        wait_until(
            lambda: not self.held(),
            max(0.0, self.left + within - time.monotonic()),
            lambda: f"the lock is still held: {self.held()}; {self._told()}",
        )
        return time.monotonic() - self.left

    def runs_anew(self, trigger: Callable[[str], Any], within: float) -> None:
        """Trigger the key once more, and see it run."""
        before = self.runs
        self.open()
        trigger(self.key)
        wait_until(lambda: self.runs > before, within, self._told)

    def kill(self, signal: int) -> None:
        """Send a signal to the process of the body."""
        self.leaves()
        os.kill(self.pid, signal)

    def _told(self) -> str:
        return self.worker.log[-3000:] if self.worker else "no worker"
