"""A real Celery worker: a process group of its own, with its log in a file."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import psutil

from tests.programs import unmeasured
from tests.waiting import wait_until
from tests.worker.forked import Forked, start_celery

LOG_TAIL = 3000

#: The others change modules before anything imports them.
FORKED_POOLS = ("prefork", "threads", "solo")


def alive(pid: int) -> bool:
    """Whether the process runs; a container's init may never reap a killed one.

    Of a killed process the first thread may end some milliseconds before the others.
    """
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1
    except psutil.NoSuchProcess:
        return False


def _group_of(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


@dataclass
class WorkerProcess:
    """`with WorkerProcess(...)` gives a worker that is ready, and reaps it after."""

    directory: Path
    broker: str
    backend: str
    locks: str
    pool: str = "prefork"
    concurrency: int = 2
    app: str = "tests.worker.app"
    witness: str = ""
    options: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    python: str | Path = sys.executable

    def __post_init__(self) -> None:
        self.name = self.name or f"{self.pool}-{uuid4().hex[:8]}@localhost"
        self._log = self.directory / f"{self.name}.log"
        self._process: subprocess.Popen[bytes] | Forked | None = None

    def start(self) -> None:
        """Return when the worker says it is ready."""
        with self._log.open("wb") as log:
            self._process = self._start(log)
        wait_until(self._ready, timeout=120, message=self._tail)

    @property
    def pid(self) -> int:
        assert self._process, "the worker was not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_for_log(self, text: str, timeout: float = 60) -> None:
        wait_until(
            lambda: text in self.log, timeout, lambda: f"no {text!r}; {self._tail()}"
        )

    def children(self) -> list[int]:
        """The pids of the pool's processes."""
        return [child.pid for child in psutil.Process(self.pid).children()]

    # Billiard's children wait 30 s for a result to be fetched that no longer will be.
    def terminate(self, timeout: float = 90) -> None:
        """Warm shutdown: running tasks end first. Return when the worker is gone."""
        os.kill(self.pid, signal.SIGTERM)
        wait_until(lambda: not self.running, timeout, self._tail)

    def kill(self) -> None:
        """SIGKILL to the worker and all its children, also when it is gone already.

        Returns when all are gone: each ends, and frees what it has, when it gets to it.
        """
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        wait_until(lambda: not (self.running or self._group()), message=self._tail)

    def __enter__(self) -> "WorkerProcess":
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # A warm shutdown when nothing was killed: coverage is saved by it.
        try:
            if self.running:
                self.terminate()
        finally:
            self.kill()

    def _start(self, log: IO[bytes]) -> subprocess.Popen[bytes] | Forked:
        words, env = self._words(), self._environment()
        if self._of_this_python():
            return start_celery(words, env, stdout=log, stderr=log)
        command = [str(self.python), "-m", "celery", *words]
        # A group of its own: pool children die with it, pytest does not.
        return subprocess.Popen(
            command, env=env, stdout=log, stderr=log, start_new_session=True
        )

    def _of_this_python(self) -> bool:
        """Whether it may import the very modules that this process would."""
        return (
            self.pool in FORKED_POOLS
            and str(self.python) == sys.executable
            and "PYTHONPATH" not in self.environment
        )

    def _words(self) -> list[str]:
        return [
            *("-A", self.app, "worker"),
            *("-n", self.name, "-P", self.pool, "-c", str(self.concurrency)),
            *("--without-gossip", "--without-mingle", "-l", "INFO"),
            *self.options,
        ]

    def _environment(self) -> dict[str, str]:
        return {
            **unmeasured(),
            "UNIQUE_TEST_BROKER": self.broker,
            "UNIQUE_TEST_BACKEND": self.backend,
            "UNIQUE_TEST_REDIS": self.locks,
            "UNIQUE_TEST_WITNESS": self.witness,
            "UNIQUE_TEST_SETTINGS": json.dumps(dict(self.settings)),
            **self.environment,
        }

    def _group(self) -> list[int]:
        """The pids of the worker and its children that run."""
        return [
            pid for pid in psutil.pids() if _group_of(pid) == self.pid and alive(pid)
        ]

    def _ready(self) -> bool:
        assert self.running, self._tail()
        return f"{self.name} ready." in self.log

    def _tail(self) -> str:
        return f"the log of {self.name} ends:\n{self.log[-LOG_TAIL:]}"
