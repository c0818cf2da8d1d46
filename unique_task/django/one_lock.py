"""One lock in the admin, and one call: who holds it, who waits, and what happens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from celery import Celery

from .. import operating
from ..operating import Detail, Explanation
from ..pages.explained import explained_fields
from ..pages.locks import rows_of
from ..pages.timeline import left_behind_fields, timeline, waiting_fields
from .rows import HEADS, line_of


def one_lock(app: Celery, wanted: str, timeout: float) -> list[dict[str, Any]]:
    """Return what the template shows of a lock, for each store.

    Arguments:
        wanted: its key, or the id of a task that holds one.
        timeout: seconds to wait for the workers' answers.

    Raises:
        ConfigurationError: if the app has no unique tasks, or no store.
    """
    return [_shown(one) for one in operating.show(app, wanted, timeout=timeout)]


def _shown(detail: Detail) -> dict[str, Any]:
    return {
        "store": detail.store,
        "missing": detail.away,
        "heads": HEADS,
        "rows": [line_of(row, with_reason=True) for row in rows_of(detail.locks)],
        "events": timeline(detail),
        "fields": [] if detail.away else list(_fields(detail)),
    }


def _fields(detail: Detail) -> Iterator[tuple[str, str]]:
    if detail.left_behind is not None:
        yield from left_behind_fields(detail.left_behind)
    yield from waiting_fields(detail)


def explained(found: Explanation) -> dict[str, Any]:
    """Return what the template shows of a call."""
    return {
        "key": found.key,
        "fields": list(explained_fields(found)),
        "heads": HEADS,
        "rows": [line_of(row, with_reason=True) for row in rows_of(found.locks)],
    }
