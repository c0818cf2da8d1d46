"""What a round of calls of one key did: how long it was in use, and who waited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import NamedTuple

#: Shortest wait in order, in seconds, of which a ratio says something.
WORTH_COMPARING = 1.0


class WrongRuns(Exception):
    """Calls ran at once, or not once each: their times say nothing."""


class Run(NamedTuple):
    """A run of a body; times are seconds by the clock of the machine.

    Attributes:
        call: which of the published calls ran, from 0.
    """

    call: int
    began: float
    ended: float

    @property
    def length(self) -> float:
        return self.ended - self.began


@dataclass(frozen=True)
class Round:
    """The runs of calls that were published at once, with one key.

    Attributes:
        let_go: when the workers could start.
        runs: in the order in which the calls were published.
        arrivals: how often a message of the calls reached a process of a pool.

    Raises:
        WrongRuns: if calls did not run once each, or some ran at once.
    """

    let_go: float
    runs: Sequence[Run]
    arrivals: int

    def __post_init__(self) -> None:
        if [run.call for run in self.runs] != list(range(len(self.runs))):
            raise WrongRuns(f"not one run of each call: {self.runs}")
        in_time = sorted(self.runs, key=lambda run: run.began)
        for one, next_one in pairwise(in_time):
            if next_one.began < one.ended:
                raise WrongRuns(f"{one} and {next_one} ran at once")

    @property
    def makespan(self) -> float:
        """Seconds from the first start to the last end of a body."""
        began = min(run.began for run in self.runs)
        return max(run.ended for run in self.runs) - began

    @property
    def in_use(self) -> float:
        """The part of the makespan in which a body ran."""
        return sum(run.length for run in self.runs) / self.makespan

    @property
    def arrivals_a_run(self) -> float:
        return self.arrivals / len(self.runs)

    @property
    def longest_wait(self) -> float:
        """Seconds that the call waited that waited longest."""
        return max(self._waits)

    @property
    def longest_over_in_order(self) -> float:
        """The longest wait over that of calls that are served in order."""
        return self.longest_wait / max(self._waits_in_order)

    @property
    def worst_over_in_order(self) -> float:
        """The greatest of all calls' waits over its own wait in order."""
        return max(
            wait / in_order
            for wait, in_order in zip(self._waits, self._waits_in_order)
            if in_order >= WORTH_COMPARING
        )

    @property
    def _waits(self) -> list[float]:
        return [run.began - self.let_go for run in self.runs]

    @property
    def _waits_in_order(self) -> list[float]:
        """What calls wait if the one that was published first is served first."""
        lengths = [run.length for run in self.runs]
        return list(accumulate(lengths[:-1], initial=0.0))
