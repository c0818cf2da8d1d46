"""The calls that wait for one lock in one worker, the one that waits longest first."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from ..messages.waits_for import WaitsFor

_numbers = count()

#: Holders to remember that were asked about: some more than a message names.
_MOST_ASKED = 100


@dataclass(eq=False, repr=False)
class Waiting:
    """One call that waits: a message that its worker keeps until its time comes.

    Attributes:
        request: the worker's, for the message.
        id: of its task.
        waits_for: what its message says.
        since: when it first had to wait, in seconds since 1970.
        pause: seconds after which it asks for the lock if nothing calls it.
        latest: when it asks at the latest, in seconds since 1970.
        parked: whether its own time is over, and it waits for those before it.
        timed: whether a look is due when it asks at the latest.
        patient: whether it has waited once more, because a holder runs in this worker.
        left: whether it does not wait here any more.
    """

    request: Any
    id: str
    waits_for: WaitsFor
    since: float
    pause: float
    latest: float
    parked: bool = False
    timed: bool = False
    patient: bool = False
    left: bool = False
    number: int = field(default_factory=lambda: next(_numbers))

    @property
    def place(self) -> tuple[float, int]:
        """Orders those that wait: the oldest has the least."""
        return self.since, self.number


@dataclass(frozen=True)
class Neighbour:
    """Another worker where calls wait for a lock.

    Attributes:
        since: when the oldest of them first had to wait, in seconds since 1970.
        shared: see :class:`.WaitsFor`.
    """

    since: float
    shared: bool = False


class Line:
    """The calls that wait for one lock in one worker, in order.

    Attributes:
        key: of the lock.
        limit: how many may hold the lock at once.
        holders: tasks of this worker that hold the lock, or ask for it.
        neighbours: the other workers where calls wait for the lock.
        asked: holders in other workers that these have been asked about, in order.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        self.limit = 1
        self.holders: set[str] = set()
        self.neighbours: dict[str, Neighbour] = {}
        self.asked: dict[str, None] = {}
        self._places: list[tuple[float, int]] = []
        self._by_place: dict[tuple[float, int], Waiting] = {}

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Waiting]:
        return (self._by_place[place] for place in self._places)

    @property
    def oldest(self) -> Waiting | None:
        """The call that waits longest; None if none waits here."""
        return self._by_place[self._places[0]] if self._places else None

    @property
    def nobody_waits(self) -> bool:
        """True if no call waits, neither here nor in a worker that has asked."""
        return not (self._places or self.neighbours)

    def add(self, waiting: Waiting) -> None:
        insort(self._places, waiting.place)
        self._by_place[waiting.place] = waiting
        self.limit = waiting.waits_for.limit

    def remove(self, waiting: Waiting) -> None:
        del self._places[bisect_left(self._places, waiting.place)]
        del self._by_place[waiting.place]

    def rank(self, waiting: Waiting) -> int:
        """Return how many wait longer."""
        return bisect_left(self._places, waiting.place)

    @property
    def last_to_ask(self) -> Waiting | None:
        """The call behind which the others need not ask: as many as may hold the lock.

        None if fewer wait.
        """
        last = self.limit - 1
        return self._by_place[self._places[last]] if last < len(self) else None

    def sharing(self) -> list[Waiting]:
        """Return all that can go on once a holder has succeeded."""
        return [waiting for waiting in self if waiting.waits_for.shared]

    def note_question(self, holder: str) -> None:
        """Note that another worker is asked about a holder there."""
        if len(self.asked) >= _MOST_ASKED:
            del self.asked[next(iter(self.asked))]
        self.asked[holder] = None

    def ask_again(self, holders: Collection[str]) -> None:
        """Forget the oldest question about one of these: it may have been lost.

        One only: where fifty hold the lock, fifty calls come back in turn, and each
        names fifty holders.
        """
        oldest = next((task for task in self.asked if task in holders), None)
        if oldest is not None:
            del self.asked[oldest]

    def as_neighbour(self) -> Neighbour | None:
        """Return what other workers need to know; None if no call waits here."""
        oldest = self.oldest
        if oldest is None:
            return None
        return Neighbour(oldest.since, oldest.waits_for.shared)

    def older_neighbour(self) -> str | None:
        """Return the neighbour that waits longest, if it waits longer than all here."""
        if not self.neighbours:
            return None
        worker = min(self.neighbours, key=lambda name: self.neighbours[name].since)
        oldest = self.oldest
        if oldest is not None and oldest.since <= self.neighbours[worker].since:
            return None
        return worker

    def take_turn(
        self, own: str, neighbours: Mapping[str, Neighbour], passed: Iterable[str]
    ) -> None:
        """Note what a turn tells of the other workers.

        Arguments:
            own: name of this worker.
            passed: the workers through which the turn has come.
        """
        # Of these, the turn knows more.
        for worker in passed:
            self.neighbours.pop(worker, None)
        self.neighbours.update(neighbours)
        self.neighbours.pop(own, None)

    def pass_turn(self, worker: str, own: str) -> dict[str, Neighbour]:
        """Return which other workers a neighbour has to know, as it is its turn now.

        Arguments:
            own: name of this worker.
        """
        others, waiting = dict(self.neighbours), self.as_neighbour()
        del others[worker]
        if waiting is not None:
            others[own] = waiting
        # The end of those that hold the lock here is for the others to hear, too.
        if not self.holders:
            self.neighbours.clear()
        return others
