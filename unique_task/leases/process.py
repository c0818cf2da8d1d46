"""Which process holds a lock, and whether it is gone for good."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path

from celery.utils.nodenames import gethostname

_PROC = Path("/proc")

#: States in which a thread runs nothing any more: zombie and dead.
_ENDED = ("Z", "X", "x")

#: States in which a process waits for a signal or a debugger, and runs nothing.
_STOPPED = ("T", "t")


def this_process() -> str:
    """Return ``machine/pid/start``, which no other process has or had.

    It is empty where the system does not show it; only Linux does.
    """
    return _identity(os.getpid())


def is_gone(process: str) -> bool:
    """Tell whether the process that :func:`this_process` named has surely ended.

    False for a process that lives, and for one that this process cannot see: on another
    machine, in another container, before the last boot, or not on Linux.
    """
    return _has_ended(process) is True


def is_alive(process: str) -> bool:
    """Tell whether the process that :func:`this_process` named surely lives.

    False for a process that has ended, and for one that this process cannot see.
    """
    return _has_ended(process) is False


def is_stopped(process: str) -> bool:
    """Tell whether that process lives and stands still, as by SIGSTOP or a debugger."""
    if not is_alive(process):
        return False
    seen = _state(int(process.split("/")[1]))
    return seen is not None and seen[0] in _STOPPED


def _has_ended(process: str) -> bool | None:
    """Tell whether a process has ended; None if this process cannot see it."""
    machine, _, rest = process.partition("/")
    if not machine or machine != _machine():
        return None
    pid, _, start = rest.partition("/")
    # Not by a look into /proc, which may hide the processes of other users.
    if not _exists(int(pid)):
        return True
    seen = _state(int(pid))
    return None if seen is None else seen[0] in _ENDED or seen[1] != start


@lru_cache(maxsize=1)
def _identity(pid: int) -> str:
    machine, seen = _machine(), _state(pid)
    return f"{machine}/{pid}/{seen[1]}" if machine and seen else ""


@lru_cache(maxsize=1)
def _machine() -> str:
    """Return a text that only processes which can see each other share, until a boot.

    Numbers of namespaces are used again, but all processes of the former one are gone.
    """
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text()
        spaces = [os.stat(_PROC / "self/ns/pid").st_ino]
        # In another one of these, the same process has started at another time.
        if (_PROC / "self/ns/time").exists():
            spaces.append(os.stat(_PROC / "self/ns/time").st_ino)
        if os.readlink(_PROC / "self") != str(os.getpid()):
            return ""  # the /proc of another namespace
    except OSError:
        return ""
    text = f"{gethostname()} {boot} {spaces}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _state(pid: int) -> tuple[str, str] | None:
    """Return the state of a process, and its start in ticks since the boot.

    The state is empty for one that has not quite ended.
    """
    try:
        # Not by a Path, which takes as long as the file: each duplicate gets here.
        with open(f"{_PROC}/{pid}/stat", errors="replace") as file:
            stat = file.read()
    except OSError:
        return None
    # The name of the program stands in parentheses, and may contain anything.
    fields = stat.rpartition(")")[2].split()
    # The state is that of the first thread. The others of a killed process may end some
    # milliseconds later, and keep its files and connections open until then.
    still_ends = fields[0] in _ENDED and int(fields[17]) > 1
    return "" if still_ends else fields[0], fields[19]
