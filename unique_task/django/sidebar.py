"""The filters beside a list of locks, as the admin has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from glob import escape
from urllib.parse import urlencode

from ..pages.inputs import Filters
from ..pages.words import STATES, VERDICTS, shown

#: How long locks have been held at least, as a query has it.
_AGES = ("1 min", "10 min", "1 h", "1 d")


@dataclass(frozen=True)
class Choice:
    """One line of a filter; its fields have the names that the admin's template has."""

    display: str
    query_string: str
    selected: bool


@dataclass(frozen=True)
class Filter:
    """A filter with its title."""

    title: str
    choices: tuple[Choice, ...]


def sidebar(
    filters: Filters, tasks: Sequence[str], workers: Sequence[str]
) -> list[Filter]:
    """Return the filters of a list of locks.

    Arguments:
        filters: those that are chosen.
        tasks: names to choose from.
        workers: names to choose from.
    """
    found: Iterable[tuple[str, str, dict[str, str]]] = (
        ("state", "state", {name: name for name in STATES}),
        ("verdict", "verdict", {name: name for name in VERDICTS}),
        ("task", "task", {escape(name): name for name in tasks}),
        ("worker", "worker", {escape(name): name for name in workers}),
        ("age", "older_than", {age: f"at least {age}" for age in _AGES}),
    )
    return [
        Filter(title, tuple(_choices(filters, field, values)))
        for title, field, values in found
    ]


def _choices(filters: Filters, field: str, values: dict[str, str]) -> Iterator[Choice]:
    """Yield the choices of a filter, by the value that a query has for each."""
    query = filters.query(1)
    found = query.pop(field, [])
    chosen = [found] if isinstance(found, str) else found
    yield Choice("All", _query(query), not chosen)
    # What somebody has written into the address is a choice, too.
    for value, display in {
        **values,
        **{one: one for one in chosen if one not in values},
    }.items():
        yield Choice(shown(display), _query({**query, field: value}), value in chosen)


def _query(fields: dict[str, str | list[str]]) -> str:
    return "?" + urlencode(fields, doseq=True)
