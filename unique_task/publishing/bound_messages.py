"""Messages that must be sent: somebody waits for them, or their sender is ending."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from celery import Celery

#: Options that only a message has which belongs to a canvas, or which is sent for a
#: task that ends, retries or replaces itself.
_BOUND = (
    *("parent_id", "group_id", "chord", "chain"),
    *("retries", "replaced_task_nesting"),
)


def is_bound(app: Celery, options: Mapping[str, Any], named: bool) -> bool:
    """Tell whether a message belongs to a canvas, or to a task that ends or retries.

    Arguments:
        options: of ``apply_async``.
        named: whether the caller chose the id.
    """
    if any(map(options.get, _BOUND)):
        return True
    if not options.get("reply_to"):
        return False
    # With an id beside it, this is a signature that was frozen, which is no more than
    # to give it an id; else the caller listens on a queue of its own.
    return not named or _is_chord_body(app, options)


def _is_chord_body(app: Celery, options: Mapping[str, Any]) -> bool:
    """Tell whether a worker sends the body of a chord, whose header is complete.

    Its options are those of any frozen signature, so what tells is who sends it: the
    last task of the header, or the task with which Celery waits for them all.
    """
    sender = app.current_worker_task
    if sender is None:
        return False
    chord: Any = sender.request.chord or {}
    body_id = (chord.get("options") or {}).get("task_id")
    return sender.name == "celery.chord_unlock" or body_id == options.get("task_id")
