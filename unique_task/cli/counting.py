"""What ``stats`` prints: what was counted of each task, lately."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import TypeVar

from celery import Celery

from .. import operating
from ..operating import Counters, History
from ..pages.columns import columns_of
from ..pages.rates import LATELY
from .found import Found
from .output import echo, echo_json, echo_table

#: What was counted of a task.
Counts = TypeVar("Counts", Counters, History)


def print_counters(app: Celery, task: str, minutes: int, as_json: bool) -> None:
    """Print the counters of each task, of the last minutes and of the very last."""
    found = Found(operating.history(app, minutes))
    histories = wanted(found, task)
    times = [minutes, LATELY] if minutes > LATELY else [minutes]
    if as_json:
        for number in times:
            _print_as_json(one.last(number) for one in histories)
    else:
        for store in operating.stores(app):
            echo("store:", store)
        if histories:
            _print_table(histories, times)
        else:
            echo(found.nothing(f"nothing was counted in the last {minutes} min"))
    found.say_what_is_missing("counters")


def wanted(found: Iterable[Counts], task: str) -> list[Counts]:
    """Return what was counted of the tasks whose names fit a pattern."""
    return [one for one in found if fnmatchcase(one.task, task)]


def _print_as_json(counters: Iterable[Counters]) -> None:
    for one in counters:
        if one.amounts:
            echo_json(operating.as_plain(one))


def _print_table(histories: Sequence[History], times: Sequence[int]) -> None:
    echo(" / ".join(f"the last {number} min" for number in times))
    columns = columns_of([one.last(times[0]) for one in histories])
    rows = []
    for one in histories:
        each = [one.last(number) for number in times]
        cells = (" / ".join(map(column.total, each)) for column in columns)
        rows.append((one.task, *cells))
    echo_table(["TASK", *(column.head for column in columns)], rows)
