"""What the admin asks for: a call of a task, and a hold of a key."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from celery import Celery
from django import forms
from django.contrib.admin.helpers import AdminForm
from django.contrib.admin.widgets import AdminTextInputWidget

from ..exceptions import UniqueError
from ..operating import Explanation, Hold, explain
from ..pages.holding import AskedHold, others_hold
from ..pages.inputs import Asked
from ..pages.words import shown

#: Of the arguments of a call.
_ARGS, _KWARGS = 'A JSON array: [7, "a"]', 'A JSON object: {"item": 7}'


def _text(label: str, help_text: str, **options: Any) -> forms.CharField:
    return forms.CharField(
        label=label, help_text=help_text, widget=AdminTextInputWidget, **options
    )


class CallForm(forms.Form):
    """A call of a task."""

    wanted = forms.ChoiceField(label="Task")
    args = _text("Arguments", _ARGS, required=False)
    kwargs = _text("Keyword arguments", _KWARGS, required=False)

    def explain(self, app: Celery, timeout: float) -> Explanation | None:
        """Return what would happen to the call; None if it is none, with the error.

        Arguments:
            timeout: seconds to wait for the workers' answers.
        """
        if not self.is_valid():
            return None
        asked = Asked(**self.cleaned_data)
        try:
            return explain(app, asked.wanted, *asked.arguments, timeout=timeout)
        except UniqueError as error:
            self.add_error(None, shown(error))
            return None


class HoldForm(forms.Form):
    """A hold of a key, or of that of a call."""

    wanted = _text("Key or task", "A key, or the name of the task of a call.")
    args = _text("Arguments", _ARGS, required=False)
    kwargs = _text("Keyword arguments", _KWARGS, required=False)
    seconds = _text("For", "How long: 90 s, 5 min, 2 h.")
    reason = _text("Reason", "One line; whoever meets the hold reads it.")
    limit = _text(
        "Limit",
        "How many may hold it at once; empty for the most that any task allows.",
        required=False,
    )
    store = _text("Store", "Its name, if there are several.", required=False)

    def hold(self, app: Celery, by: str, timeout: float) -> Hold | None:
        """Hold the key; return None if that cannot be, with the error in the form.

        Arguments:
            by: who asks.
            timeout: seconds to wait for the workers' answers.
        """
        if not self.is_valid():
            return None
        asked = AskedHold.of({name: [text] for name, text in self.cleaned_data.items()})
        try:
            answer = replace(asked, by=by).take(app, timeout)
        except UniqueError as error:
            self.add_error(None, shown(error))
            return None
        if isinstance(answer, Hold):
            return answer
        text = (
            f"Not held: {others_hold(answer)} {answer.key}. Release it first, or wait."
        )
        self.add_error(None, shown(text))
        return None


def in_admin(form: forms.Form) -> AdminForm:
    """Return a form as the admin's own templates show one."""
    last = [name for name in ("limit", "store") if name in form.fields]
    first = [name for name in form.fields if name not in last]
    fieldsets: list[tuple[str | None, Any]] = [(None, {"fields": first})]
    if last:
        fieldsets.append(("For a key alone", {"fields": last}))
    return AdminForm(form, fieldsets, {})
