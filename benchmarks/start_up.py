"""Times the import of the library, beside that of Celery, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from tempfile import TemporaryDirectory

from benchmarks.report import Row, at_most

#: What a module with a task imports at least: Celery's names are lazy.
CELERY = "from celery import Celery; Celery"
OURS = f"{CELERY}; import unique_task"


def rows(pairs: int) -> Iterator[Row]:
    with TemporaryDirectory() as bytecode:
        _seconds(OURS, bytecode)  # which compiles all modules, as an installation does
        values = [_added(bytecode) for _ in range(pairs)]
    yield Row("import unique_task over import celery, added", values, at_most(0.15))


def _added(bytecode: str) -> float:
    nothing, celery, ours = (
        _seconds(code, bytecode) for code in ("pass", CELERY, OURS)
    )
    return (ours - celery) / (celery - nothing)


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
