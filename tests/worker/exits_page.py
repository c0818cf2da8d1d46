"""Writes the table of exits into its page of the documentation.

Run it as ``make exits``, or as ``python -m tests.worker.exits_page``.
"""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from tests.worker.exits import EXITS, POOLS, Exit

PAGE = Path(__file__).parents[2] / "docs" / "exits.rst"

#: Lines around the table; the text outside of them is written by hand.
BEGIN, END = ".. The table begins.", ".. The table ends."

HEAD = f"""
.. list-table::
   :header-rows: 1
   :widths: 30 30 {" ".join(["12"] * len(POOLS))}
"""


def page_of(text: str) -> str:
    """Return the page with the table as it is now."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def table() -> str:
    head = ["how the run ends", "the lock", *POOLS]
    lines = chain(row_of(head), *(row_of(cells(row)) for row in EXITS))
    return "\n".join([HEAD, *lines, ""])


def cells(row: Exit) -> list[str]:
    blocked = (row.blocked.get(pool) for pool in POOLS)
    times = (bound.text if bound else "–" for bound in blocked)
    return [row.name + versions(row), row.lock, *times]


def versions(row: Exit) -> str:
    """Say which Celery has the case, if not all have it."""
    if row.since > (5, 3):
        return ", Celery {}.{} or newer".format(*row.since)
    if row.before < (6, 0):
        return ", Celery older than {}.{}".format(*row.before)
    return ""


def row_of(texts: list[str]) -> Iterator[str]:
    for start, text in zip(["   * -", *["     -"] * len(texts)], texts):
        yield f"{start} {text}"


if __name__ == "__main__":
    PAGE.write_text(page_of(PAGE.read_text()))
