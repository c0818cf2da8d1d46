"""All rows of the table, and how a line of it looks."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import (
    hot_key,
    instructions,
    publish,
    scale,
    start_up,
    store,
    stores,
    trips,
    waiters,
    worker,
)
from benchmarks.measured import Measured, Unmeasured
from benchmarks.numbers import number
from benchmarks.row import Row
from benchmarks.stage import Stage

#: A module gives its rows here. Those with workers of one pool stand together.
ROWS = [
    *(trips.ROWS + worker.ROWS + publish.ROWS + hot_key.ROWS + waiters.ROWS),
    *(store.ROWS + stores.ROWS + instructions.ROWS + scale.ROWS + start_up.ROWS),
]

HEAD = ["", "ours", "plain Celery", "raw store", "unit"]
HEAD += ["median", "min..max", "of", "goal", "result"]

#: Where there is nothing to show; a hyphen would begin a list in the page.
NONE = "–"

_LINE = "{:<52}{:>10}{:>14}{:>11}  {:<13}{:>9}{:>20}  {:<23}{:>10}  {}"


def chosen(names: Sequence[str]) -> list[Row]:
    """Return the rows with these names, or with names that contain one; all for none.

    Raises:
        LookupError: if a name fits no row.
    """
    fitting = {row.name for name in names for row in _fitting(name)}
    return [row for row in ROWS if row.name in fitting or not names]


def cells(row: Row, stage: Stage) -> list[str]:
    """Measure a row, and return the texts of its line."""
    try:
        return _cells(row, row.measure(stage))
    except Unmeasured as reason:
        texts = [NONE] * 5 + ["", NONE, str(row.goal), f"not measured: {reason}"]
        return [row.name, *texts]


def line(texts: Sequence[str]) -> str:
    return _LINE.format(*texts).rstrip()


def _fitting(name: str) -> list[Row]:
    exact = [row for row in ROWS if row.name == name]
    found = exact or [row for row in ROWS if name.lower() in row.name.lower()]
    if not found:
        known = "\n  ".join(row.name for row in ROWS)
        raise LookupError(f"no row is named {name!r} or contains it:\n  {known}")
    return found


def _cells(row: Row, found: Measured) -> list[str]:
    side_by_side = (found.ours, found.plain, found.raw)
    return [
        row.name,
        *(NONE if one is None else number(one) for one in side_by_side),
        *(found.unit, number(found.median), found.spread, found.meaning),
        *(str(row.goal), row.goal.verdict(found.median)),
    ]
