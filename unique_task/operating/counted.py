"""What happened to the calls of each task lately, from the counters in the stores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from celery import Celery

from ..backends.base import Backend
from ..backends.counting import Counted, counter_of, minute_of
from ..counting import names
from ..counting.tally import tally
from ..exceptions import LockStoreError
from .app_tasks import stores_of
from .holders import Missing


@dataclass(frozen=True)
class Counters:
    """What happened to the calls of one task in the last minutes.

    Attributes:
        store: of the locks of the calls.
        task: its name.
        minutes: how many; the last one is not over.
        seconds: from the begin of the first one until now.
        amounts: by the names of counters. One that is not there is 0.
    """

    store: str
    task: str
    minutes: int
    seconds: float
    amounts: Mapping[str, float]

    @property
    def runs(self) -> float:
        """How many bodies ran under a lock, to their end."""
        return self._of(names.RUNS)

    @property
    def duplicates(self) -> dict[str, float]:
        """How many duplicates there were, by policy, wherever they were met."""
        return _summed(names.duplicates_in(self.amounts))

    @property
    def shadow(self) -> dict[str, float]:
        """How many calls ran that would have been duplicates, by policy."""
        return _summed(names.shadow_in(self.amounts))

    @property
    def cached(self) -> float:
        """How many calls got the value of an earlier run."""
        return self._of(names.CACHED)

    @property
    def replaced(self) -> float:
        """How many messages ended because a later one took their place."""
        return self._of(names.REPLACED)

    @property
    def waits(self) -> float:
        """How often calls went back to their queue, as their key was held."""
        return self._of(names.WAITS)

    @property
    def lost(self) -> float:
        """How many bodies lost their lock."""
        return self._of(names.LOST)

    @property
    def store_errors(self) -> float:
        """How many calls got no answer of the store."""
        return self._of(names.STORE_ERRORS)

    @property
    def mean_wait(self) -> float | None:
        """Seconds from the first wait of a call to its start; None if none waited."""
        return self._mean(names.WAITED_SECONDS, names.WAITED)

    @property
    def mean_held(self) -> float | None:
        """Seconds for which a run held its lock; None if none ran."""
        return self._mean(names.HELD_SECONDS, names.RUNS)

    def _of(self, name: str) -> float:
        return self.amounts.get(name, 0.0)

    def _mean(self, seconds: str, of: str) -> float | None:
        count = self._of(of)
        return self._of(seconds) / count if count else None


def _summed(amounts: Mapping[tuple[str, str], float]) -> dict[str, float]:
    found: defaultdict[str, float] = defaultdict(float)
    for (policy, _), amount in sorted(amounts.items()):
        found[policy] += amount
    return dict(found)


@dataclass(frozen=True)
class History:
    """What happened to the calls of one task, minute by minute.

    Attributes:
        store: of the locks of the calls.
        task: its name.
        each: the counters of each minute, the oldest first; the last one is not over.
    """

    store: str
    task: str
    each: tuple[Counters, ...]

    def last(self, minutes: int) -> Counters:
        """Return the counters of the last minutes together, the current one included.

        Arguments:
            minutes: from 1 to as many as there are.
        """
        found = self.each[-minutes:]
        amounts = _added_up(one.amounts for one in found)
        seconds = sum(one.seconds for one in found)
        return Counters(self.store, self.task, minutes, seconds, amounts)


def _added_up(several: Iterable[Mapping[str, float]]) -> Mapping[str, float]:
    found: defaultdict[str, float] = defaultdict(float)
    for amounts in several:
        for name, amount in amounts.items():
            found[name] += amount
    return dict(found)


def counters(app: Celery, minutes: int = 60) -> Iterator[Counters | Missing]:
    """Yield the counters of each task that had calls in the last minutes, by name.

    What a store cannot tell is yielded as :class:`.Missing`. Other processes bring what
    they count to the store every 5 s; this one does so first.

    Arguments:
        minutes: how many, the current one included; at most 360.

    Raises:
        ConfigurationError: if there are no so many minutes; if the app has no unique
            tasks, or no store.
    """
    for one in history(app, minutes):
        yield one.last(minutes) if isinstance(one, History) else one


def history(app: Celery, minutes: int = 60) -> Iterator[History | Missing]:
    """Yield what :func:`counters` does, minute by minute.

    Raises:
        ConfigurationError: as there.
    """
    backends = stores_of(app).values()
    flush_own(backends)
    for backend in backends:
        yield from _of_store(backend, minutes)


def flush_own(backends: Collection[Backend]) -> None:
    """Bring what this process has counted to the stores, as it is about to read them.

    A store that is away is waited for no longer than a read of it would take.
    """
    tally.flush(max(backend.timeout for backend in backends))


def _of_store(backend: Backend, minutes: int) -> Iterator[History | Missing]:
    store = counter_of(backend)
    if store is None:
        yield Missing(backend.name, "the store keeps no counters: use another one")
        return
    if not backend.shared:
        reason = "each process has counters of its own there: only these are seen"
        yield Missing(backend.name, reason)
    try:
        counted = store.counted(minutes)
        found = _by_task(counted)
    except LockStoreError as error:
        yield Missing(backend.name, str(error))
        return
    for task, amounts in sorted(found.items()):
        each = tuple(_each(backend.name, task, minutes, counted.now, amounts))
        yield History(backend.name, task, each)


#: What was counted of a task, by minute.
_Minutes = Mapping[int, Mapping[str, float]]


def _by_task(counted: Counted) -> Mapping[str, _Minutes]:
    found: defaultdict[str, defaultdict[int, dict[str, float]]]
    found = defaultdict(lambda: defaultdict(dict))
    for row in counted.rows:
        found[row.task][row.minute][row.name] = row.amount
    return found


def _each(
    store: str, task: str, minutes: int, now: float, amounts: _Minutes
) -> Iterator[Counters]:
    last = minute_of(now)
    for minute in range(last - minutes + 1, last + 1):
        seconds = 60.0 if minute < last else now % 60
        yield Counters(store, task, 1, seconds, amounts.get(minute, {}))
