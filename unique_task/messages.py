"""What tells two messages of one task id apart from one that is delivered twice."""

from __future__ import annotations

import os
import re
from typing import Any

from celery import signals

#: Message header with what no other message has. It travels with each delivery of it.
HEADER = "unique_task_message"

_MARK = re.compile("[0-9a-f]{8}")

_marked: set[str] = set()


def mark_messages(task_name: str) -> None:
    """Give each message of a task that is published from now on a mark of its own.

    An id does not do: whoever publishes may use one again, and the second message has
    to run although the first one has. Nor do brokers tell: what was delivered first may
    come to run last.
    """
    _marked.add(task_name)
    signals.before_task_publish.connect(_mark, dispatch_uid="unique_task")


def message_of(request: Any) -> str:
    """Return the mark of the message; empty if it was published without one."""
    mark = getattr(request, HEADER, None)
    # It becomes a part of a lock's record, and anybody may write headers.
    return mark if isinstance(mark, str) and _MARK.fullmatch(mark) else ""


def _mark(sender: str, headers: dict[str, Any], **_: Any) -> None:
    if sender in _marked:
        headers[HEADER] = os.urandom(4).hex()
