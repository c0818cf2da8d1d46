"""The line of calls before one key, as the workers show it and as a test makes it."""

from __future__ import annotations

from typing import Any

from tests.waiting import wait_until
from tests.worker.app import app
from tests.worker.witness import Witness
from tests.worker.worker_process import WorkerProcess
from unique_task.options.guarded_class import GUARDED

#: Seconds within which a call starts that is called; by itself it pauses for a minute.
AT_ONCE = 15.0


def ask(command: str, worker: WorkerProcess) -> Any:
    """Return what a worker answers to a remote control command."""

    def answer() -> Any:
        # One may be lost on a machine that stands still for a second.
        return app.control.broadcast(
            command, reply=True, destination=[worker.name], limit=1, timeout=5
        )

    [told] = wait_until(answer)
    return told[worker.name]


def waiting_in(worker: WorkerProcess, task: Any, key: str) -> int:
    """Return how many calls wait for a key in a worker."""
    digest = getattr(task, GUARDED).spec.digest(task, (key,), {})
    lines = [line for line in ask("unique_waiting", worker) if line["key"] == digest]
    return sum(line["waiting"] for line in lines)


def wait_until_waiting(worker: WorkerProcess, task: Any, key: str, count: int) -> None:
    wait_until(
        lambda: waiting_in(worker, task, key) == count, message=lambda: worker.log
    )


def prefetched_by(worker: WorkerProcess) -> int:
    """Return how many messages a worker takes from the broker at most."""
    return int(ask("stats", worker)["prefetch_count"])


def runs_at_once(witness: Witness, key: str, runs: int) -> None:
    """Return when so many runs of a key have begun; that must be soon."""
    wait_until(
        lambda: witness.runs(key) >= runs,
        AT_ONCE,
        lambda: f"{witness.runs(key)} runs of {runs} have begun",
    )
