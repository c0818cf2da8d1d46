"""On what the figures were measured: the machine, its load, and versions."""

from __future__ import annotations

import os
import platform
import re
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.stage import Stage

CPUINFO = Path("/proc/cpuinfo")

LIBRARIES = ["celery", "redis", "hiredis", "sqlalchemy", "psycopg", "pymysql"]
LIBRARIES += ["pymemcache"]

#: Runnable processes a core from which others disturb the measurement.
BUSY = 0.5


def machine(stage: Stage) -> dict[str, str]:
    """Return what readers need to compare the figures with those of their machine."""
    return {
        "measured on": f"{date.today()}, {_load()}",
        "machine": f"{_cores()} cores of {_processor()}, {platform.system()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "Redis": f"{_redis(stage)}, on loopback",
        "libraries": ", ".join(map(_library, LIBRARIES)),
        "pairs": str(stage.pairs),
    }


def _load() -> str:
    load = os.getloadavg()[0]
    busy = load > BUSY * _cores()
    state = "a busy machine: measure again" if busy else "an idle machine"
    return f"{state} (load {load:.1f})"


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _processor() -> str:
    found = re.search(r"model name\s*: (.+)", CPUINFO.read_text())
    return found[1].strip() if found else platform.machine()


def _redis(stage: Stage) -> str:
    server: Any = stage.locks.client.info("server")
    return str(server["redis_version"])


def _library(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"no {name}"
