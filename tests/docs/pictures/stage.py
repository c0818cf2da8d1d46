"""Real workers for the pictures, and what their tasks note of themselves."""

import json
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from tests.worker.app import app, configure
from tests.worker.conftest import close_app, urls_on
from tests.worker.operating.conftest import ELSEWHERE
from tests.worker.waiting.line import ask
from tests.worker.witness import Witness
from tests.worker.worker_process import WorkerProcess
from unique_task.options.app_settings import backend_of, settings_of
from unique_task.options.guarded_class import GUARDED


class Note(NamedTuple):
    """What a worker has noted of a call, and when.

    Attributes:
        what: ``arrives``, ``begins``, ``ends`` (the body) or ``leaves``.
    """

    what: str
    call: int
    worker: str
    at: float


@dataclass(frozen=True)
class Stage:
    """Workers, each with a queue of its name; the first is on another machine."""

    workers: Mapping[str, WorkerProcess]
    witness: Witness

    def notes(self, key: str) -> list[Note]:
        """Return what was noted of a key, the first first."""
        noted = [Note(*json.loads(n)) for n in self.witness.noted(f"picture {key}")]
        return sorted(noted, key=lambda note: note.at)

    def moments(self, key: str, what: str) -> dict[int, float]:
        """Return when it happened last to each call."""
        return {note.call: note.at for note in self.notes(key) if note.what == what}

    def waiting(self, task: Any, *names: str) -> int:
        """Return how many calls of a task some workers know to be waiting."""
        told = [ask("unique_waiting", self.workers[name]) for name in names]
        lines = [line for lines in told for line in lines]
        return sum(line["waiting"] for line in lines if line["task"] == task.name)

    def refusals(self, key: str, call: int) -> list[float]:
        """Return when a call arrived, and its body did not run."""
        noted = self.notes(key)
        arrived = [n.at for n in noted if (n.what, n.call) == ("arrives", call)]
        ran = any((n.what, n.call) == ("begins", call) for n in noted)
        return arrived[:-1] if ran else arrived


def send(
    task: Any, queue: str, key: str, call: int, seconds: float, **options: Any
) -> float:
    """Publish a call of a key; return when."""
    at = time.time()
    args, task_id = (key, call, seconds), id_of(key, call)
    task.apply_async(args, task_id=task_id, queue=queue, **options)
    return at


def id_of(key: str, call: int) -> str:
    return f"{key}-{call}"


def lock_left(task: Any, key: str, call: int) -> float | None:
    """Return for how many seconds a call holds its key, if it does."""
    digest = getattr(task, GUARDED).spec.digest(task, (key, call, 0), {})
    held = backend_of(app, settings_of(app)).get(digest)
    return held.remaining if held and held.record.owner == id_of(key, call) else None


def new_key() -> str:
    return uuid4().hex


@contextmanager
def stage(
    directory: Path, redis_url: str, leases: Mapping[str, float]
) -> Iterator[Stage]:
    """Start a worker for each name, whose runs have leases of so many seconds."""
    urls = urls_on(redis_url)
    configure(**urls)
    (directory / "sitecustomize.py").write_text(ELSEWHERE)
    away = {"PYTHONPATH": f"{directory}:{Path.cwd()}"}
    workers = {
        name: _worker(directory, urls, name, lease, {} if number else away)
        for number, (name, lease) in enumerate(leases.items())
    }
    witness = Witness(urls["witness"])
    try:
        with ThreadPoolExecutor(len(workers)) as threads:
            list(threads.map(WorkerProcess.__enter__, workers.values()))
        yield Stage(workers, witness)
    finally:
        for worker in workers.values():
            worker.kill()
        witness.close()
        close_app()


def _worker(
    directory: Path,
    urls: Mapping[str, str],
    name: str,
    lease: float,
    environment: Mapping[str, str],
) -> WorkerProcess:
    return WorkerProcess(
        directory,
        **urls,
        name=f"{name}@localhost",
        pool="threads",
        concurrency=12,
        options=("-Q", name),
        settings={"unique_lease": lease},
        environment={"UNIQUE_TEST_TASKS": "tasks_pictured", **environment},
    )
