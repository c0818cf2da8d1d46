"""What a check found: of a store, a broker, a task or a worker, for people."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Level(str, Enum):
    """How bad it is; programs read the values."""

    OK = "ok"
    #: Nobody could answer, or it depends on what is not known here.
    UNKNOWN = "unknown"
    #: Locks are kept, and under some conditions two tasks run at once, or none does.
    WARN = "warn"
    #: Locks are not kept.
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        name: of the check. Programs read it: it stays.
        level: how bad it is.
        found: what is so.
        advice: what to do about it; empty if there is nothing to do.
        where: the store or the worker that was asked; empty for this process.
        at_start: whether a worker warns of it when it starts.
    """

    name: str
    level: Level
    found: str
    advice: str = ""
    where: str = ""
    at_start: bool = True

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.found}{self.advice and '; '}{self.advice}"
