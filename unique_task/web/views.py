"""The pages that show something: tasks, locks, one lock, one call, the doctor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, render_template, request

from .. import operating
from ..exceptions import LockStoreError, UniqueError
from ..operating import Level
from ..pages.explained import explained_fields
from ..pages.inputs import Asked, Fields, Filters, InputError
from ..pages.locks import LocksPage, locks_page, rows_of
from ..pages.rates import rates
from ..pages.timeline import left_behind_fields, nobody_waits, timeline
from .errors import status_of
from .state import site

pages = Blueprint("pages", __name__)

#: A page, and its status.
Page = tuple[str, int]


def query() -> Fields:
    """Return the fields of the query."""
    return request.args.to_dict(flat=False)


@pages.get("/")
def tasks() -> str:
    """All tasks, with what was counted lately."""
    return render_template("tasks.html", rates=rates(site().app))


@pages.get("/locks")
def locks() -> Page:
    """The locks that are held."""
    filters = Filters.of(query())
    try:
        found = locks_page(site().app, filters, timeout=site().timeout)
    except InputError as error:
        nothing = LocksPage(filters, (), 1, False, ())
        return render_template("locks.html", page=nothing, error=error), 400
    return render_template("locks.html", page=found, error=None), 200


@pages.get("/lock")
def lock() -> Page:
    """One lock: by its key, by the id of a task, or by a call."""
    asked = Asked.of(query())
    found, error, status = _answer(asked, operating.show)
    if found == []:
        status = 404
    words = {"left": left_behind_fields, "nobody_waits": nobody_waits}
    shown = {"timeline": timeline, "rows_of": rows_of, **words}
    page = render_template(
        "lock.html",
        asked=asked,
        found=found,
        error=error,
        away=_is_away(error),
        **shown,
    )
    return page, status


@pages.get("/call")
def call() -> Page:
    """What would happen to a call now."""
    asked = Asked.of(query())
    answer, error, status = _answer(asked, operating.explain)
    page = render_template(
        "call.html",
        asked=asked,
        answer=answer,
        error=error,
        away=_is_away(error),
        fields=explained_fields,
        rows_of=rows_of,
        tasks=operating.tasks(site().app),
    )
    return page, status


def _answer(
    asked: Asked, operation: Callable[..., Any]
) -> tuple[Any, UniqueError | None, int]:
    """Return what is asked for, or the error in its place; and the status."""
    if not asked.wanted:
        return None, None, 200
    try:
        call = asked.wanted, *asked.arguments
        return operation(site().app, *call, timeout=site().timeout), None, 200
    except UniqueError as error:
        return None, error, status_of(error)


def _is_away(error: UniqueError | None) -> bool:
    """Tell whether a later look may find what this one did not."""
    return isinstance(error, LockStoreError)


@pages.get("/doctor")
def doctor() -> str:
    """What each check finds."""
    findings = list(operating.examine(site().app, timeout=site().timeout))
    levels = [one.level for one in findings]
    failed, warned = levels.count(Level.FAIL), levels.count(Level.WARN)
    return render_template(
        "doctor.html", findings=findings, failed=failed, warned=warned
    )
