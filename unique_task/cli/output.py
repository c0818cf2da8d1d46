"""What the commands print: lines for people, and JSON for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

import click
from celery.platforms import EX_UNAVAILABLE, EX_USAGE

from ..pages.words import shown

#: Rows whose columns are made equally wide.
_PAGE = 1000


class Failed(click.ClickException):
    """The command failed; a message of one line that a terminal may show."""

    def __init__(self, message: str) -> None:
        super().__init__(shown(message))


class Usage(Failed):
    """The command cannot be understood; Celery's exit code for that is 64."""

    exit_code = EX_USAGE


class Away(Failed):
    """A store or the workers do not answer; Celery's exit code for that is 69."""

    exit_code = EX_UNAVAILABLE


def echo(*parts: object, err: bool = False) -> None:
    """Print a line; `parts` are made safe."""
    click.echo(" ".join(map(shown, parts)), err=err)


def echo_json(value: Any) -> None:
    """Print one object as one line, which every reader of JSON understands."""
    click.echo(json.dumps(_known_to_json(value), default=repr))


def _known_to_json(value: Any) -> Any:
    """Return a value without the numbers and the keys that JSON does not know."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_name(name): _known_to_json(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_known_to_json(one) for one in value]
    return value


def _name(name: object) -> object:
    return name if isinstance(name, (str, int, float, type(None))) else repr(name)


def echo_table(head: Sequence[str], rows: Iterable[Iterable[object]]) -> None:
    """Print rows in columns that are as wide as their widest cell."""
    for line in table(head, rows):
        click.echo(line)


def table(head: Sequence[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """Yield the lines of a table, made safe."""
    lines, widths = chain([head], rows), [0] * len(head)
    # Page by page: of a million rows, nobody waits for the last one.
    while page := [list(map(shown, line)) for line in islice(lines, _PAGE)]:
        longest = [max(map(len, column)) for column in zip(*page)]
        widths = list(map(max, widths, longest))
        for line in page:
            cells = (cell.ljust(width) for cell, width in zip(line, widths))
            yield "  ".join(cells).rstrip()


def echo_fields(fields: Iterable[tuple[str, object]]) -> None:
    """Print one field a line, its value behind its name."""
    for name, value in fields:
        click.echo(f"{name + ':':<12} {shown(value)}")
