"""Times the import of the library, beside that of Celery, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys

from benchmarks.measured import Measured, time_over_plain
from benchmarks.pairs import Pair
from benchmarks.row import Row, at_most
from benchmarks.stage import Stage

#: What a module with a task imports at least: Celery's names are lazy.
CELERY = "from celery import Celery; Celery"
OURS = f"{CELERY}; import unique_task"


def _import(stage: Stage) -> Measured:
    bytecode = str(stage.directory())
    _seconds(OURS, bytecode)  # which compiles all modules, as an installation does
    return time_over_plain([_pair(bytecode) for _ in range(stage.pairs)])


def _pair(bytecode: str) -> Pair:
    nothing, celery, ours = (
        _seconds(code, bytecode) for code in ("pass", CELERY, OURS)
    )
    return Pair(ours - nothing, celery - nothing)


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


ROWS = [Row("import unique_task, over import celery", at_most(1.15), _import)]
