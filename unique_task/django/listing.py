"""The list of locks in the admin: a page of them, or what a search finds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from celery import Celery

from .. import operating
from ..operating import Missing
from ..pages.inputs import Fields, Filters, text_of
from ..pages.locks import LocksPage, Row, locks_page, rows_of
from .rows import HEADS, line_of
from .sidebar import sidebar

_SEARCH_HELP = "A key, the id of a task, or the name of one, as orders.*"


def listing(app: Celery, fields: Fields, timeout: float) -> dict[str, Any]:
    """Return what the template of the list shows.

    Arguments:
        fields: of the query.
        timeout: seconds to wait for the workers' answers.

    Raises:
        InputError: if a filter is not allowed.
        ConfigurationError: if the app has no unique tasks, or no store.
    """
    tasks = [plan.task for plan in operating.tasks(app)]
    filters, query = Filters.of(fields), text_of(fields, "q")
    of_tasks = query in tasks or not {*query}.isdisjoint("*?[")
    if query and not of_tasks:
        shown = _found(app, query, timeout)
    else:
        if query:
            filters = replace(filters, task=query)
        shown = _page(locks_page(app, filters, timeout=timeout))
    return {
        "heads": HEADS,
        "stores": operating.stores(app),
        "search": _search(query),
        "sidebar": sidebar(filters, tasks, _workers(shown["rows"])),
        "clear": "" if filters == Filters() and not query else "?",
        **shown,
        "rows": list(map(line_of, shown["rows"])),
    }


def _search(query: str) -> dict[str, Any]:
    """Return what the admin's own template of a search shows."""
    return {"search_fields": True, "query": query, "search_help_text": _SEARCH_HELP}


def _workers(rows: Iterable[Row]) -> list[str]:
    """Return the workers in a table: nobody knows all there are."""
    names = {row.holder.worker for row in rows if row.holder}
    return sorted(filter(None, names))


def _page(page: LocksPage) -> dict[str, Any]:
    every = page.filters == Filters()
    return {
        "rows": page.rows,
        "missing": page.missing,
        "nothing": _nothing(
            page.missing, "No lock is held." if every else "None fits."
        ),
        "number": page.number,
        "previous": _link(page, page.number - 1) if page.number > 1 else "",
        "next": _link(page, page.number + 1) if page.more else "",
    }


def _nothing(missing: Sequence[Missing], text: str) -> str:
    return "None was seen." if missing else text


def _link(page: LocksPage, number: int) -> str:
    return "?" + urlencode(page.filters.query(number), doseq=True)


def _found(app: Celery, query: str, timeout: float) -> dict[str, Any]:
    """Return the locks that a task holds by its id, or those of a key."""
    details = operating.show(app, query, timeout=timeout)
    # Who waits does not matter here.
    missing = [one for each in details for one in each.away]
    return {
        "rows": list(rows_of([one for each in details for one in each.locks])),
        "missing": missing,
        "nothing": _nothing(missing, f"There is no key, task or owner {query}."),
        "keys": [detail.key for detail in details if detail.key == query],
    }
