"""The options of ``apply_async`` for one message: its start, who waits for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from celery import Celery, Task
from celery.utils.time import maybe_iso8601, maybe_make_aware

from ..backends.record import Token
from ..messages.delays import sendable_countdown
from ..messages.states import ignores_result
from ..options.policies import Replace

#: The options with the callbacks of a call, which run only if the call runs.
_CALLBACKS = ("link", "link_error")

#: Options that only these messages have: members of a canvas, and messages of a task
#: that ends, retries or replaces itself.
_BOUND = (
    *("parent_id", "group_id", "chord", "chain"),
    *("retries", "replaced_task_nesting"),
)


@dataclass(eq=False, repr=False)
class SendOptions:
    """The options of ``apply_async`` for one message.

    Attributes:
        task: the task that is called.
        values: the options as Celery takes them, with the ``task_id``.
        named: whether the caller chose the id, so that others may wait for it.
        bound: whether the message must be sent, and its sender must not fail.
    """

    task: Task
    values: dict[str, Any]
    named: bool = False
    bound: bool = field(init=False)

    def __post_init__(self) -> None:
        self.bound = is_bound(self.task.app, self.values, self.named)

    @property
    def id(self) -> str:
        """The id of the task."""
        return str(self.values["task_id"])

    @property
    def awaited(self) -> bool:
        """True if others wait for the call to end: it is sent, duplicate or not."""
        return self.bound or any(map(self.values.get, _CALLBACKS))

    @property
    def again(self) -> bool:
        """True if the task has run before: it retries or replaces itself."""
        values = self.values
        return bool(values.get("retries") or values.get("replaced_task_nesting"))

    @property
    def ignores_result(self) -> bool:
        """True if no result is stored."""
        return ignores_result(self.task, self.values.get("ignore_result"))

    @property
    def wait(self) -> float:
        """Seconds until the message may start."""
        values = self.values
        return seconds_to(self.task.app, values.get("countdown"), values.get("eta"))

    @wait.setter
    def wait(self, seconds: float) -> None:
        self.values.pop("eta", None)
        self.values["countdown"] = sendable_countdown(self.task, seconds, self.values)

    def put_off(self, replace: Replace, since: float) -> None:
        """Let the message wait for a later one that may replace it.

        However many messages replace one another, the last one waits no longer in all
        than ``max_wait``.

        Arguments:
            since: seconds since the first of them was published.
        """
        start = self.values.get("countdown"), self.values.get("eta")
        if start == (None, None) and replace.countdown is not None:
            self.wait = replace.countdown
        if replace.max_wait is not None and self.wait > replace.max_wait - since:
            self.wait = max(0.0, replace.max_wait - since)

    def pending(self, expire: float, *, window: bool) -> float:
        """Return the seconds for which a lock that is taken now waits for the message.

        Arguments:
            expire: seconds for which the lock stands once the message may start.
            window: the lock keeps that time even if the message expires before.
        """
        pending = pending_time(self.task.app, self.values, expire)
        return self.wait + expire if pending and window else pending

    def new_token(self, message: str) -> str:
        """Return a fresh token for the attempt that the message leads to."""
        values = self.values
        return Token.of_attempt(
            self.id,
            values.get("retries") or 0,
            values.get("replaced_task_nesting") or 0,
            message.partition("-")[0],
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
    # A frozen signature has an id and a ``reply_to``; to freeze one only gives it an
    # id. Without the id, the caller listens on its own queue.
    return not named or _is_chord_body(app, options)


def _is_chord_body(app: Celery, options: Mapping[str, Any]) -> bool:
    """Tell whether a worker sends the body of a chord, whose header is complete.

    The options are those of any frozen signature, but the sender differs: it is the
    last task of the header, or the task with which Celery waits for them all.
    """
    sender = app.current_worker_task
    if sender is None:
        return False
    chord: Any = sender.request.chord or {}
    body_id = (chord.get("options") or {}).get("task_id")
    return sender.name == "celery.chord_unlock" or body_id == options.get("task_id")


def pending_time(app: Celery, options: Mapping[str, Any], expire: float) -> float:
    """Return the seconds for which a lock waits for a message that is published now.

    The time counts from when the message may start. It ends when the message expires;
    0 if the message has expired already.

    Arguments:
        options: of ``apply_async``.
        expire: seconds for which the lock stands once the message may start.
    """
    end = seconds_to(app, options.get("countdown"), options.get("eta")) + expire
    expires = options.get("expires")
    if expires is not None:
        end = min(end, _seconds(app, expires))
    return max(0.0, end)


def seconds_to(app: Celery, countdown: float | None, eta: Any) -> float:
    """Return the seconds until a message may start."""
    if countdown:
        return float(countdown)
    return max(0.0, _seconds(app, eta)) if eta else 0.0


def _seconds(app: Celery, moment: Any) -> float:
    if isinstance(moment, (int, float)):
        return float(moment)
    when: Any = maybe_iso8601(moment)
    aware: datetime = maybe_make_aware(when, app.timezone)
    return (aware - app.now()).total_seconds()
