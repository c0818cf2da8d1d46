"""Times the import of the library, beside that of Celery, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys

from benchmarks.measured import Measured, time_over_plain
from benchmarks.pairs import Pair
from benchmarks.row import Row, at_most, no_goal
from benchmarks.stage import Stage

#: What a module with a task imports at least: Celery's names are lazy.
CELERY = "from celery import Celery; Celery"
OURS = f"{CELERY}; import unique_task"

#: What a process does that publishes: its app makes a task.
PLAIN_APP = """
from celery import Celery
app = Celery("shop", broker="memory://")
@app.task
def work(number): ...
app.tasks
"""
GUARDED_APP = PLAIN_APP.replace(
    "@app.task", "from unique_task import unique\n@app.task\n@unique"
)


def _import(stage: Stage) -> Measured:
    return _compare(stage, OURS, CELERY)


def _app(stage: Stage) -> Measured:
    return _compare(stage, GUARDED_APP, PLAIN_APP)


def _compare(stage: Stage, ours: str, plain: str) -> Measured:
    bytecode = str(stage.directory())
    _seconds(ours, bytecode)  # which compiles all modules, as an installation does
    return time_over_plain([_pair(ours, plain, bytecode) for _ in range(stage.pairs)])


def _pair(ours: str, plain: str, bytecode: str) -> Pair:
    nothing, *both = (_seconds(code, bytecode) for code in ("pass", ours, plain))
    return Pair(*(seconds - nothing for seconds in both))


def _seconds(code: str, bytecode: str) -> float:
    """Return the processor time of a process that runs `code`."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    process = subprocess.Popen([sys.executable, "-c", code], env=environment)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{code!r} ended with {process.returncode}")
    return used.ru_utime + used.ru_stime


ROWS = [
    Row("import unique_task, over import celery", at_most(1.15), _import),
    Row("an app makes its first task, guarded, over plain", no_goal(), _app),
]
