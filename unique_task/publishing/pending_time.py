"""For how long a lock may wait for its message."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from celery import Celery
from celery.utils.time import maybe_iso8601, maybe_make_aware


def pending_time(app: Celery, options: Mapping[str, Any], expire: float) -> float:
    """Return how many seconds a lock stands whose message is published just now.

    Its time counts from when the message may start, and ends when that must not start
    any more; 0 if that is so already.

    Arguments:
        options: of ``apply_async``.
        expire: seconds for which it stands from the eta on.
    """
    end = seconds_to(app, options.get("countdown"), options.get("eta")) + expire
    expires = options.get("expires")
    if expires is not None:
        end = min(end, _seconds(app, expires))
    return max(0.0, end)


def seconds_to(app: Celery, countdown: float | None, eta: Any) -> float:
    """Return how many seconds are left until a message may start."""
    if countdown:
        return float(countdown)
    return max(0.0, _seconds(app, eta)) if eta else 0.0


def _seconds(app: Celery, moment: Any) -> float:
    if isinstance(moment, (int, float)):
        return float(moment)
    when: Any = maybe_iso8601(moment)
    aware: datetime = maybe_make_aware(when, app.timezone)
    return (aware - app.now()).total_seconds()
