"""Writes the figures of a run into their page of the documentation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from benchmarks.table import HEAD

PAGE = Path(__file__).parents[1] / "docs" / "figures.rst"

#: Lines around the figures; the text outside of them is written by hand.
BEGIN, END = ".. The figures begin.", ".. The figures end."

TABLE = """
.. list-table::
   :header-rows: 1
   :widths: 27 8 8 8 9 8 12 11 8 11
"""


def page_of(
    text: str, machine: Mapping[str, str], lines: Sequence[Sequence[str]]
) -> str:
    """Return the page with the machine and the lines of a run."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    facts = [f":{name}: {fact}" for name, fact in machine.items()]
    table = chain.from_iterable(_row_of(cells) for cells in [HEAD, *lines])
    figures = "\n".join(["", *facts, TABLE, *table, ""])
    return f"{before}{BEGIN}\n{figures}\n{END}{after}"


def _row_of(cells: Sequence[str]) -> Iterator[str]:
    for start, text in zip(["   * -", *["     -"] * len(cells)], cells):
        yield f"{start} {text}".rstrip()
