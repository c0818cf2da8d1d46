"""What each store promises; the table in the documentation is made of this."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .findings import Finding, Level


@dataclass(frozen=True)
class Promises:
    """What a store promises beyond the contract; each backend declares its own.

    Attributes:
        owner_safe: whether only the holder can release a lock, however late another
            attempt tries.
        clock: the clock that ends locks.
        granularity: seconds by which a lock may end late; it never ends early.
        longest: seconds for which a lock can be taken or renewed at most.
        fenced: whether all fences come from one clock, so that each is greater than all
            before; only then a task gets its fence.
        one_step: whether the step that releases a lock also stores what the run leaves
            behind (its value, and that it has finished).
        several_holders: whether a lock can have a limit of more than one holder.
        lists: whether the store can list its locks, see :class:`.listing.Lists`.
        counts: whether the store keeps counters, see :class:`.counting.Counts`.
        restart: which locks survive a restart of the store.
        needs: what to install beside this library.
        warning: what may end a lock before its time; a worker logs it when it starts.
    """

    owner_safe: bool = True
    clock: str = "the server's"
    granularity: float = 0.001
    longest: float = math.inf
    fenced: bool = True
    one_step: bool = True
    several_holders: bool = False
    lists: bool = False
    counts: bool = False
    restart: str = "all"
    needs: str = ""
    warning: str = ""

    def findings(self) -> list[Finding]:
        """Return the promises as what checks found."""
        if self.counts:  # whether the store lets us do so, it must be asked
            return [self.finding()]
        found = "the store keeps no counters: what happens to tasks is not counted"
        return [self.finding(), Finding("counters", Level.OK, found)]

    def finding(self) -> Finding:
        """Return what they say of locks."""
        if self.warning:
            return Finding("promises", Level.WARN, self.warning)
        fences = "all" if self.fenced else "no"
        kept = f"{self.clock} clock ends locks; {fences} tasks get a fence"
        return Finding(
            "promises",
            Level.OK,
            f"{kept}; locks that survive a restart: {self.restart}",
        )
