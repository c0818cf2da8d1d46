"""One look at the stores and workers of an app, as points of measures."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from celery import Celery

from ..backends.base import Backend
from ..backends.counting import counter_of
from ..backends.listing import lister_of
from ..exceptions import LockStoreError
from .app_tasks import guarded_tasks
from .expected import expected_counters, expected_states
from .holders import Missing
from .measures import LOCKS, MEASURES, OLDEST, STORE_UP, WAITING, Measure, Point
from .totals import Totals, added_up
from .workers import Answers, waiting_by_task

#: The key of no call, to ask a store whether it answers.
_NO_KEY = "0" * 32

#: The names of a task and of a state.
_InState = tuple[str, str]


@dataclass
class HeldLocks:
    """What holds locks: how many, and for how long the oldest of them, in seconds."""

    counts: Counter[_InState] = field(default_factory=Counter)
    oldest: dict[_InState, float] = field(default_factory=dict)

    def add(self, what: _InState, since: float | None) -> None:
        self.counts[what] += 1
        if since:  # else the store has no clock
            age = max(0.0, time.time() - since)
            self.oldest[what] = max(age, self.oldest.get(what, 0.0))

    def update(self, other: HeldLocks) -> None:
        self.counts.update(other.counts)
        for what, age in other.oldest.items():
            self.oldest[what] = max(age, self.oldest.get(what, 0.0))


class Reading:
    """What the stores and the workers tell now.

    Attributes:
        points: of each measure that is known.
        missing: what is not, and why.
    """

    def __init__(self, app: Celery, stores: Mapping[str, Backend]) -> None:
        self.points: dict[str, list[Point]] = {}
        self.missing: list[Missing] = []
        self._app, self._stores = app, stores
        self._up: dict[str, Backend] = {}

    def ask_stores(self) -> None:
        """Learn which stores answer; the others are not asked for more."""
        for fingerprint, backend in self._stores.items():
            if not backend.shared:
                reason = "each process has a store of its own there: this is only ours"
                self.missing.append(Missing(backend.name, reason))
            with self._noting_errors(backend):
                backend.holders(_NO_KEY)
                self._up[fingerprint] = backend
            self._add(STORE_UP, (backend.name,), float(fingerprint in self._up))

    def add_counters(self, totals: MutableMapping[str, Totals]) -> None:
        """Add what was counted.

        Arguments:
            totals: of the stores so far, by their fingerprints.
        """
        told = set()
        for fingerprint, backend in self._up.items():
            store = counter_of(backend)
            if store is not None:
                with self._noting_errors(backend):
                    totals.setdefault(fingerprint, Totals()).look(store)
                    told.add(fingerprint)
        amounts = added_up(totals, told, expected_counters(self._app, told))
        for task, of_task in sorted(amounts.items()):
            for measure in MEASURES:
                for point in measure.counted(of_task):
                    labels = (task, *point.labels)
                    self._add(measure, labels, point.value, point.count)

    def add_locks(self) -> None:
        """Add what holds locks, and for how long."""
        told, all_held = set(), HeldLocks()
        for fingerprint, backend in self._up.items():
            held = self._held(backend)
            if held is not None:
                told.add(fingerprint)
                all_held.update(held)
        for what in expected_states(self._app, told):
            all_held.counts.setdefault(what, 0)
        for what, count in sorted(all_held.counts.items()):
            self._add(LOCKS, what, count)
        for what, age in sorted(all_held.oldest.items()):
            self._add(OLDEST, what, age)

    def _held(self, backend: Backend) -> HeldLocks | None:
        """Return what holds locks in a store, all of it; None if it cannot tell."""
        lister = lister_of(backend)
        if lister is None:
            return None
        with self._noting_errors(backend):
            found = HeldLocks()
            for lock in lister.locks():
                for held in lock.holders:
                    record = held.record
                    found.add((record.task, record.state), record.since)
            return found
        return None

    def add_waiting(self, answers: Answers) -> None:
        """Add which calls wait, if any worker has answered."""
        if answers.missing is not None:
            self.missing.append(answers.missing)
            return
        waiting = waiting_by_task(answers)
        tasks = {name for name, _ in guarded_tasks(self._app)}
        for task in sorted({*tasks, *waiting}):
            self._add(WAITING, (task,), waiting.get(task, 0))

    @contextmanager
    def _noting_errors(self, backend: Backend) -> Iterator[None]:
        try:
            yield
        except LockStoreError as error:
            self.missing.append(Missing(backend.name, str(error)))

    def _add(
        self, measure: Measure, labels: tuple[str, ...], value: float, count: float = 0
    ) -> None:
        point = Point(tuple(map(_encodable, labels)), value, count)
        self.points.setdefault(measure.name, []).append(point)


def _encodable(label: str) -> str:
    """Return a label that can be sent: a store may have any name of a task."""
    return label.encode("utf-8", "backslashreplace").decode()
