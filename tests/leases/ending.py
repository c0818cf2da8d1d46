"""Processes that publish while their store of locks stalls, and then end."""

import multiprocessing
import os
import subprocess
import sys
from contextlib import suppress
from typing import Any

import billiard
from celery import Celery

from tests.programs import unmeasured
from unique_task import LockStoreError, unique
from unique_task.options.guarded_class import GUARDED

#: Seconds for one operation of the store: in that time, also on a slow machine, the
#: process has come to its end.
PATIENCE = 8.0

#: Seconds in which it has ended, also on a slow machine.
LIMIT = 90


class Ending:
    """Such a process.

    Arguments:
        how: it publishes: as a ``script``, or in a child of ``multiprocessing`` or of
            ``billiard``, which end in ways of their own.
        store: URL of the locks.
        patience: seconds for one operation of the store.
    """

    def __init__(self, how: str, store: str, patience: float = PATIENCE) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.leases.ending", how, store, str(patience)],
            env=unmeasured(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.key = ""
        self.rest = ""

    def wait_for(self, word: str) -> None:
        """Return when it says `word`; with its key before that."""
        assert self._process.stdout
        for line in self._process.stdout:
            if line.strip() == word:
                return
            self.key = line.strip()
        raise AssertionError(f"no {word!r}: {self.key}")

    def go_on(self) -> None:
        """Let it publish."""
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def code(self) -> int:
        """Wait for its end."""
        self.rest = self._process.communicate(timeout=LIMIT)[0]
        return self._process.returncode

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate(timeout=LIMIT)


def main(how: str, store: str, patience: str) -> None:
    go_on = os.dup(0)  # the children of these modules have no input
    args = store, float(patience), go_on
    if how == "script":
        publish(*args)
        return
    module: Any = {"multiprocessing": multiprocessing, "billiard": billiard}[how]
    child = module.get_context("fork").Process(target=publish, args=args)
    child.start()
    child.join()
    sys.exit(child.exitcode)


def publish(store: str, patience: float, go_on: int) -> None:
    app = Celery("ending", broker="memory://")
    app.conf.update(unique_backend=store, unique_timeout=patience)

    def work(key: str) -> None: ...

    task: Any = app.task(name="ending")(unique(lock="until_executed")(work))
    with suppress(LockStoreError):
        task.delay("before")  # the server has to know the script
    key = str(os.getpid())
    print(getattr(task, GUARDED).spec.digest(task, (key,), {}))
    print("ready", flush=True)
    os.read(go_on, 1)
    try:
        task.delay(key)
    except LockStoreError as error:
        print(type(error).__name__, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
