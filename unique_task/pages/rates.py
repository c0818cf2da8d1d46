"""What a page shows of each task: how it is guarded, and what was counted lately."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from celery import Celery

from .. import operating
from ..operating import Counters, History, Missing, TaskPlan
from .columns import Column, columns_of
from .lines import Line

#: Minutes of the lines and totals, and of the rates.
MINUTES, LATELY = 60, 5


@dataclass(frozen=True)
class TaskRates:
    """One task in one store.

    Attributes:
        task: its name.
        store: of its locks.
        plan: how it is guarded; None if the app does not have it, or not there.
        last_hour: what was counted; None if nothing was, or the store is away.
        lately: the same of the last minutes.
        lines: of runs, and of duplicates; empty if nothing was counted.
        known: whether the store told what was counted, if that was nothing.
    """

    task: str
    store: str
    plan: TaskPlan | None
    last_hour: Counters | None = None
    lately: Counters | None = None
    lines: tuple[Line, ...] = ()
    known: bool = True

    def cell(self, column: Column) -> tuple[str, str]:
        """Return what stands in a column: of the last hour, and a minute lately."""
        total = column.total(self.last_hour) if self.known else "-"
        return total, column.rate(self.lately) if self.lately else "-"


@dataclass(frozen=True)
class Rates:
    """All tasks.

    Attributes:
        tasks: by their names.
        columns: of the table of what was counted.
        missing: what no store can tell, and why.
    """

    tasks: tuple[TaskRates, ...]
    columns: tuple[Column, ...]
    missing: tuple[Missing, ...]


def rates(app: Celery) -> Rates:
    """Return what was counted of each task of an app in the last hour.

    Tasks that others have counted in the same store are there, too.

    Raises:
        ConfigurationError: if the app has no unique tasks, or no store.
    """
    missing, found = [], {}
    for one in operating.history(app, MINUTES):
        if isinstance(one, Missing):
            missing.append(one)
        else:
            found[one.task, one.store] = one
    plans = {(plan.task, plan.store): plan for plan in operating.tasks(app)}
    away = {one.what for one in missing}
    tasks = tuple(
        (
            _counted(found[name], plans.get(name))
            if name in found
            else TaskRates(*name, plans[name], known=name[1] not in away)
        )
        for name in sorted({*plans, *found})
    )
    counted = [one.last_hour for one in tasks if one.last_hour]
    return Rates(tasks, tuple(columns_of(counted)), tuple(missing))


def _counted(history: History, plan: TaskPlan | None) -> TaskRates:
    name, lines = (history.task, history.store), tuple(_lines(history))
    return TaskRates(*name, plan, history.last(MINUTES), history.last(LATELY), lines)


def _lines(history: History) -> Iterator[Line]:
    yield Line(tuple(one.runs for one in history.each), "runs")
    duplicates = (sum(one.duplicates.values()) for one in history.each)
    yield Line(tuple(duplicates), "duplicates")
