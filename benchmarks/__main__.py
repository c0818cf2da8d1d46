"""Measures what the guard costs, and prints each figure beside its goal."""

from __future__ import annotations

import argparse
import traceback
from collections.abc import Sequence

from benchmarks import table
from benchmarks.machine import machine
from benchmarks.page import PAGE, page_of
from benchmarks.row import Row
from benchmarks.stage import Stage

PAIRS = 9


def main() -> None:
    parser = _parser()
    options = parser.parse_args()
    if options.page and options.rows:
        parser.error("the page needs all rows")
    try:
        rows = table.chosen(options.rows)
    except LookupError as error:
        parser.error(str(error.args[0]))
    if options.list:
        print(*(row.name for row in rows), sep="\n")
    else:
        measure(rows, 1 if options.quick else PAIRS, options.page)


def measure(rows: Sequence[Row], pairs: int, for_page: bool) -> None:
    """Print a line for each row; one that fails does not end the others."""
    lines, failed = [], []
    with Stage(pairs) as stage:
        # Before our own work makes it busy.
        facts = machine(stage) if for_page else {}
        print(table.line(table.HEAD))
        for row in rows:
            try:
                lines.append(table.cells(row, stage))
                print(table.line(lines[-1]), flush=True)
            except Exception:
                traceback.print_exc()
                failed.append(row.name)
    if failed:
        raise SystemExit(f"not measured: {', '.join(failed)}")
    if for_page:
        PAGE.write_text(page_of(PAGE.read_text(), facts, lines))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", help="names of rows, or parts of names")
    parser.add_argument("--list", action="store_true", help="only name the rows")
    parser.add_argument("--quick", action="store_true", help="one pair of each")
    parser.add_argument("--page", action="store_true", help=f"write {PAGE.name}")
    return parser


if __name__ == "__main__":
    main()
