"""Measures what the guard costs, and prints each figure beside its goal."""

from __future__ import annotations

import argparse

from benchmarks import table
from benchmarks.stage import Stage

PAIRS = 9


def main() -> None:
    options = _parser().parse_args()
    try:
        rows = table.chosen(options.rows)
    except LookupError as error:
        raise SystemExit(str(error.args[0])) from None
    if options.list:
        print(*(row.name for row in rows), sep="\n")
        return
    print(table.line(table.HEAD))
    with Stage(pairs=1 if options.quick else PAIRS) as stage:
        for row in rows:
            print(table.line(table.cells(row, stage)), flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", help="names of rows, or parts of names")
    parser.add_argument("--list", action="store_true", help="only name the rows")
    parser.add_argument("--quick", action="store_true", help="one pair of each")
    return parser


main()
