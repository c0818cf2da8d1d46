"""Releasing in the admin: what is selected, what would become of it, and what did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from celery import Celery
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import QueryDict

from ..operating import OFFERED, RELEASED, Released
from ..pages.releasing import Outcomes, offered, released
from ..pages.words import shown
from .rows import OUTCOME_HEADS, outcome_line, selected

#: Locks of which a message tells why they were not released.
_TOLD = 10


@dataclass(frozen=True)
class Selection:
    """The locks that a form has selected, or an address has named.

    Attributes:
        keys: of the locks.
        tokens: of their holders; empty for all there are.
    """

    keys: tuple[str, ...]
    tokens: frozenset[str]

    @classmethod
    def of(cls, fields: QueryDict) -> Selection:
        """Read it from a form, or from an address."""
        chosen = list(selected(fields.getlist(ACTION_CHECKBOX_NAME)))
        keys = [*fields.getlist("key"), *(key for key, _ in chosen)]
        tokens = frozenset(token for _, token in chosen)
        return cls(tuple(dict.fromkeys(filter(None, keys))), tokens)

    def offered(self, app: Celery, timeout: float) -> dict[str, Any]:
        """Return what the template shows of a release before it is confirmed."""
        found = offered(app, self.keys, self.tokens or None, timeout=timeout)
        rows = list(map(outcome_line, found.released))
        return {
            "heads": OUTCOME_HEADS,
            "rows": rows,
            "selections": list(filter(None, (row.selection for row in rows))),
            "is_possible": any(map(_is_possible, found.released)),
            "needs_running": found.need_running,
            "missing": found.missing,
        }

    def released(
        self, app: Celery, fields: QueryDict, by: str, timeout: float
    ) -> Outcomes:
        """Release the locks from the holders that are selected.

        Arguments:
            fields: of the form: ``running`` and ``revoke`` are there, or not.
            by: who asks.
        """
        wish = {name: name in fields for name in ("running", "revoke")}
        return released(app, self.keys, self.tokens, by=by, timeout=timeout, **wish)


def _is_possible(released: Released) -> bool:
    return released.outcome == OFFERED or released.needs_running


def log_texts(outcomes: Outcomes) -> Iterator[tuple[str, str]]:
    """Yield the key of each lock that was released, and what the history says of it."""
    for one in outcomes.released:
        if one.outcome == RELEASED and one.holder and one.lock.key:
            text = f"Released from {one.holder.owner}, {one.holder.task or 'no task'}"
            yield one.lock.key, shown(f"{text}. {one.reason}".strip(". "))


def messages_of(outcomes: Outcomes) -> Iterator[tuple[int, str]]:
    """Yield what to say of a release, each with its level."""
    others = [one for one in outcomes.released if one.outcome != RELEASED]
    level = messages.WARNING if others else messages.SUCCESS
    yield level, f"Locks: {outcomes.words}."
    for one in others[:_TOLD]:
        owner = one.holder.owner if one.holder else one.lock.key
        yield messages.WARNING, shown(f"{owner}: {one.outcome}: {one.reason}")
    for missing in outcomes.missing:
        yield messages.ERROR, shown(missing)
