"""The pages that change something: a release and a hold, each by a form."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from .. import operating
from ..exceptions import UniqueError
from ..pages.holding import AskedHold, others_hold
from ..pages.releasing import Outcomes, offered, released
from ..pages.words import duration, shown
from .access import user
from .errors import status_of
from .state import site
from .views import query

actions = Blueprint("actions", __name__)

_OFF = (
    "Nothing is released or held here: who runs this page can allow it, with "
    "--allow-actions, or create_web(allow_actions=True)."
)

#: Letters of a message: it travels in a cookie.
_LONGEST = 1500


def check_allowed() -> None:
    """Refuse what changes something, unless that is allowed; other pages pass."""
    if request.blueprint == actions.name and not site().allow_actions:
        abort(403, _OFF)


@actions.get("/release")
def release() -> tuple[str, int]:
    """What would become of some locks, and the form to release them."""
    return _offer(request.args.getlist("key"))


def _offer(keys: list[str], error: UniqueError | None = None) -> tuple[str, int]:
    offer = offered(site().app, keys, timeout=site().timeout)
    page = render_template("release.html", keys=keys, offer=offer, error=error)
    return page, 200 if error is None else 400


@actions.post("/release")
def do_release() -> Any:
    """Release what was seen."""
    form, keys = request.form, request.form.getlist("key")
    try:
        outcomes = released(
            site().app,
            keys,
            form.getlist("token"),
            by=user() or form.get("by", ""),
            running="running" in form,
            revoke="revoke" in form,
            timeout=site().timeout,
        )
    except UniqueError as error:
        return _offer(keys, error)
    _tell(_words(outcomes))
    return _back(keys)


def _words(outcomes: Outcomes) -> str:
    reasons = (one.reason for one in outcomes.released)
    told = [*filter(None, reasons), *map(str, outcomes.missing)]
    return "; ".join([outcomes.words, *dict.fromkeys(told)])


@actions.get("/hold")
def hold() -> str:
    """The form to hold a key."""
    return _hold_form(AskedHold.of(query()))


def _hold_form(asked: AskedHold, error: object = None) -> str:
    tasks = operating.tasks(site().app)
    return render_template("hold.html", asked=asked, error=error, tasks=tasks)


@actions.post("/hold")
def do_hold() -> Any:
    """Hold a key."""
    fields = request.form.to_dict(flat=False)
    if user():
        fields["by"] = [user()]
    asked = AskedHold.of(fields)
    try:
        answer = asked.take(site().app, site().timeout)
    except UniqueError as error:
        return _hold_form(asked, error), status_of(error)
    if isinstance(answer, operating.Lock):
        return _hold_form(asked, f"not held: {others_hold(answer)} the key"), 409
    _tell(f"{answer.key} is held by {answer.by} for {duration(answer.seconds)}")
    for finding in answer.findings:
        _tell(str(finding))
    return _back([answer.key])


def _tell(text: str) -> None:
    text = shown(text)
    flash(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")


def _back(keys: list[str]) -> Response:
    if len(keys) == 1:
        return redirect(url_for("pages.lock", wanted=keys[0]), 303)
    return redirect(url_for("pages.locks"), 303)
