"""What there is to measure, for all systems of metrics: names, labels, meanings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from ..counting import names

#: What was counted of a task, by the names of counters.
Amounts = Mapping[str, float]


class Kind(Enum):
    """What a measure does over time."""

    #: It only grows.
    COUNTER = auto()
    #: A sum of seconds, and a count of what took them: both only grow.
    SECONDS = auto()
    GAUGE = auto()


@dataclass(frozen=True)
class Point:
    """A value of a measure.

    Attributes:
        labels: values of the measure's labels, in their order.
        value: itself; of :attr:`Kind.SECONDS`, the sum.
        count: of :attr:`Kind.SECONDS`, how many took them.
    """

    labels: tuple[str, ...]
    value: float
    count: float = 0.0


@dataclass(frozen=True)
class Measure:
    """Something to measure. Its name and its labels are in people's queries: they stay.

    Attributes:
        name: without what a system of metrics puts before or behind it.
        kind: what it does over time.
        help: one sentence.
        labels: their names; never a key, of which there is no end.
        counted: makes its points of what a task has counted; they have no label for
            the task yet. A measure of other things has none.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ("task",)
    counted: Callable[[Amounts], Iterable[Point]] = lambda amounts: ()


def _counter(name: str, counter: str, text: str) -> Measure:
    def counted(amounts: Amounts) -> Iterable[Point]:
        if counter in amounts:
            yield Point((), amounts[counter])

    return Measure(name, Kind.COUNTER, text, counted=counted)


def _seconds(name: str, counter: str, text: str) -> Measure:
    seconds = names.SECONDS_OF[counter]

    def counted(amounts: Amounts) -> Iterable[Point]:
        if counter in amounts and seconds in amounts:
            yield Point((), amounts[seconds], amounts[counter])

    return Measure(name, Kind.SECONDS, text, counted=counted)


def _by_policy(
    name: str, read: Callable[[Amounts], Mapping[tuple[str, str], float]], text: str
) -> Measure:
    def counted(amounts: Amounts) -> Iterable[Point]:
        for policy_and_place, amount in sorted(read(amounts).items()):
            yield Point(policy_and_place, amount)

    return Measure(name, Kind.COUNTER, text, ("task", "policy", "at"), counted)


_IN_STATE = ("task", "state")

LOCKS = Measure("locks", Kind.GAUGE, "Holders of locks.", _IN_STATE)
OLDEST = Measure(
    "oldest_lock_seconds",
    Kind.GAUGE,
    "For how long the oldest holder has had its lock.",
    _IN_STATE,
)
WAITING = Measure(
    "waiting", Kind.GAUGE, "Calls that wait for a lock, in the workers that answer."
)
STORE_UP = Measure(
    "store_up", Kind.GAUGE, "1 if the store of the locks answers, else 0.", ("store",)
)

#: All of them.
MEASURES = (
    _counter("runs", names.RUNS, "Bodies that ran under a lock, at their end."),
    _seconds("held_seconds", names.RUNS, "How long runs had their locks."),
    _by_policy("duplicates", names.duplicates_in, "Duplicates, by policy and place."),
    _by_policy(
        "shadow_duplicates",
        names.shadow_in,
        "Calls that ran in shadow mode, and would have been duplicates.",
    ),
    _counter("values", names.CACHED, "Calls that got the value of an earlier run."),
    _counter("replaced", names.REPLACED, "Messages whose place a later one took."),
    _counter("waits", names.WAITS, "How often calls went back to their queue."),
    _seconds("waited_seconds", names.WAITED, "How long calls waited that did so."),
    _counter("lost", names.LOST, "Runs whose lock was lost."),
    _counter("store_errors", names.STORE_ERRORS, "Calls that no store answered."),
    *(LOCKS, OLDEST, WAITING, STORE_UP),
)

#: The points of each measure that is known, by its name.
Points = Mapping[str, Sequence[Point]]
