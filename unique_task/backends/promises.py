"""What a store of locks promises; the table in the documentation is made of this."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Promises:
    """What a store promises beside its steps; each backend declares its own.

    Attributes:
        owner_safe: whether a late holder cannot free the lock of its successor.
        clock: that the ends of locks are told by.
        granularity: seconds to which they are exact; a lock never ends early.
        longest: seconds for which a lock can stand, or be renewed, at most.
        fenced: whether the numbers of acquisitions come from one clock, so that each is
            greater than all before; only then a task is told its fence.
        one_step: whether what a run leaves behind (its value, and that it has finished)
            is stored in the same step that frees its lock.
        restart: how many of its locks a restart of the store leaves.
        needs: what has to be installed beside this library.
        warning: what may end a lock before its time; it is logged at worker start.
    """

    owner_safe: bool = True
    clock: str = "the server's"
    granularity: float = 0.001
    longest: float = math.inf
    fenced: bool = True
    one_step: bool = True
    restart: str = "all"
    needs: str = ""
    warning: str = ""
