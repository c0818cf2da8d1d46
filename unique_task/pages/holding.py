"""Holds a key as a form asks for it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from celery import Celery

from .. import operating
from .inputs import Asked, Fields, InputError, repeated, seconds_of, text_of


@dataclass(frozen=True)
class AskedHold:
    """A hold that a person asks for, as it is written.

    Attributes:
        asked: for which key or call.
        seconds: for how long: ``600``, ``10 min``.
        reason: why.
        by: who asks.
        limit: of a key: how many may hold it; empty for the most of any task.
        store: of a key; empty if the app has one.
    """

    asked: Asked
    seconds: str = ""
    reason: str = ""
    by: str = ""
    limit: str = ""
    store: str = ""

    @classmethod
    def of(cls, fields: Fields) -> AskedHold:
        """Read the fields of these names, ``wanted``, ``args`` and ``kwargs``."""
        names = ("seconds", "reason", "by", "limit", "store")
        return cls(Asked.of(fields), *(text_of(fields, name) for name in names))

    def take(self, app: Celery, timeout: float) -> operating.Hold | operating.Lock:
        """Hold the key; return the hold, or the lock if others have it.

        Raises:
            InputError: if something is written wrong.
            UniqueError: as of :func:`.operating.hold`.
        """
        args, kwargs = self.asked.arguments
        return operating.hold(
            app,
            self.asked.wanted,
            args,
            kwargs,
            seconds=seconds_of("for", self.seconds),
            by=self.by,
            reason=self.reason,
            limit=self._limit,
            store=self.store or None,
            timeout=timeout,
        )

    @property
    def _limit(self) -> int | None:
        if not self.limit:
            return None
        if re.fullmatch("[0-9]{1,6}", self.limit):
            return int(self.limit)
        raise InputError(f"limit: {repeated(self.limit)} is no number of holders")


def others_hold(lock: operating.Lock) -> str:
    """Return who holds a key that was to be held."""
    names = sorted({holder.owner for holder in lock.holders})
    if not names:  # it was free a moment later
        return "others held"
    return f"{', '.join(names)} {'holds' if len(names) == 1 else 'hold'}"
