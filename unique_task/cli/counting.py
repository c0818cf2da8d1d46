"""What ``stats`` prints: what was counted of each task, lately."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from celery import Celery

from .. import operating
from ..operating import Counters
from ..pages.columns import columns_of
from .found import Found
from .output import echo, echo_json, echo_table

#: Minutes of the second, shorter time.
LATELY = 5


def print_counters(app: Celery, task: str, minutes: int, as_json: bool) -> None:
    """Print the counters of each task, of the last minutes and of the very last."""
    found = Found(operating.counters(app, minutes))
    counters = wanted(found, task)
    late: list[Counters] = []
    if minutes > LATELY:
        late = wanted(Found(operating.counters(app, LATELY)), task)
    if as_json:
        for one in counters + late:
            echo_json(operating.as_plain(one))
    else:
        for store in operating.stores(app):
            echo("store:", store)
        if counters:
            _print_table(counters, late, minutes)
        else:
            echo(found.nothing(f"nothing was counted in the last {minutes} min"))
    found.say_what_is_missing("counters")


def wanted(found: Iterable[Counters], task: str) -> list[Counters]:
    """Return the counters of the tasks whose names fit a pattern."""
    return [one for one in found if fnmatchcase(one.task, task)]


def _print_table(
    counters: Sequence[Counters], late: Sequence[Counters], minutes: int
) -> None:
    times = [minutes, LATELY] if minutes > LATELY else [minutes]
    echo(" / ".join(f"the last {number} min" for number in times))
    columns = columns_of(counters)
    of_late = {(one.store, one.task): one for one in late}
    rows = []
    for one in counters:
        both = [one, of_late.get((one.store, one.task))][: len(times)]
        cells = (" / ".join(map(column.total, both)) for column in columns)
        rows.append((one.task, *cells))
    echo_table(["TASK", *(column.head for column in columns)], rows)
