"""A duplicate: what its policy learns about it, and how it is reported."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from celery import Task

from ..backends.base import Backend
from ..backends.steps import Held
from ..counting import names
from ..counting.tally import count
from ..exceptions import DuplicateTaskError
from ..messages.events import send_event, send_event_of_publisher
from ..messages.waited import Waited, is_queued
from ..signals import send_signal, task_duplicate, task_waits
from .task_name import name_of

# Documented, and so not the name of a module, which may move.
logger = logging.getLogger("unique_task.duplicates")

#: How many duplicates each task has met in this process, by the task's name.
duplicates: Counter[str] = Counter()

#: The type of Celery's event.
_EVENT = "task-duplicate"

#: What happens to a duplicate: the values of ``outcome`` of ``task_duplicate``.
DROPPED = "dropped"
ANSWERED = "answered"
WAITS = "waits"
FAILED = "failed"
REPLACED = "replaced"


@dataclass(frozen=True)
class Duplicate:
    """A call whose key is held by another attempt.

    Attributes:
        task: the task that was called.
        args: without the bound ``self``.
        kwargs: of the call.
        key: the digest that both calls share.
        owner: id of the task that holds the lock, of several the one whose lock ends
            first; None if the store does not know it.
        remaining: seconds for which that lock stands if nothing renews it.
        request: Celery's request; None where the task is not run from a queue or
            eagerly.
        admitted: whether the task was let in before: retried, or delivered again after
            a crash. It waits then, whatever its policy.
        at: ``"publish"``, ``"run"``, or ``"call"`` for a direct call ``task(...)``.
        holders: the one that `owner` names, with its record; all that hold the lock if
            the call waits at run. Empty for a call that is given a stored value.
        limit: how many may hold the lock at once.
        backend: where the lock lives; None if that is unknown.
    """

    task: Task
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    key: str
    owner: str | None
    remaining: float | None
    request: Any = None
    admitted: bool = False
    at: str = "run"
    holders: tuple[Held, ...] = ()
    limit: int = 1
    backend: Backend | None = None

    @classmethod
    def of_holder(
        cls, held: Held | None, task: Task, key: str, **call: Any
    ) -> Duplicate:
        """Return a call that met the lock `held`, or a stored value if that is None."""
        if held is None:
            return cls(task, key=key, owner=None, remaining=None, **call)
        owner, left = held.record.owner, held.remaining
        return cls(task, key=key, owner=owner, remaining=left, holders=(held,), **call)

    @property
    def queued(self) -> bool:
        """True if the call came from a queue, so that it can go back to it."""
        return is_queued(self.request)

    @property
    def hold(self) -> str | None:
        """What the lock is called if an operator holds it: ``held by ann: migration``.

        Then `owner` is no task.
        """
        holds = (held.record for held in self.holders if held.record.hold)
        return next((one.hold for one in holds if one.owner == self.owner), None)

    @property
    def refusal(self) -> str:
        """Why the call does not run: ``duplicate of <id>``, or the `hold`."""
        return self.hold or f"duplicate of {self.owner}"

    @property
    def error(self) -> DuplicateTaskError:
        """The error that fails the duplicate."""
        return DuplicateTaskError(self.key, self.owner, self.remaining, self.hold)

    def count(self, counter: str) -> None:
        """Count the duplicate where its lock lives."""
        if self.backend is not None:
            count(self.backend, name_of(self.task), counter)


#: Gets the duplicate; returns the value of the call, or raises.
Policy = Callable[[Duplicate], Any]


def report(
    duplicate: Duplicate, task_id: str | None, outcome: str, policy: str
) -> None:
    """Report a duplicate: log line, signal, counters, event.

    Arguments:
        task_id: of the duplicate itself; None for a direct call.
        outcome: what happens to it, one of the names above.
        policy: that was applied, by its kind.
    """
    name, owner = duplicate.task.name, duplicate.owner
    duplicates[name] += 1
    replaced = outcome == REPLACED
    duplicate.count(
        names.REPLACED if replaced else names.duplicates(policy, duplicate.at)
    )
    if replaced:
        logger.info("%s[%s] was replaced by %s", name, task_id, owner or "a later call")
    elif duplicate.hold:
        logger.info("%s[%s] meets a lock that is %s", name, task_id, duplicate.hold)
    else:
        holder = owner or "an earlier run"
        logger.info("%s[%s] is a duplicate of %s", name, task_id, holder)
    send_signal(
        task_duplicate,
        duplicate.task,
        key=duplicate.key,
        owner=owner,
        task_id=task_id,
        outcome=outcome,
        at=duplicate.at,
    )
    _send_event(duplicate, task_id, outcome=outcome, policy=policy)


def _send_event(duplicate: Duplicate, task_id: str | None, **fate: str) -> None:
    """Send the event of a duplicate where events are on; a direct call has no id."""
    task = duplicate.task
    # Documented, and so not to be renamed.
    fields = {
        "name": task.name,
        "key": duplicate.key,
        "owner": duplicate.owner,
        "at": duplicate.at,
        **fate,
    }
    if duplicate.at == "publish":
        send_event_of_publisher(task, _EVENT, uuid=task_id, **fields)
    elif duplicate.queued:
        send_event(task, duplicate.request, _EVENT, **fields)


def report_value(duplicate: Duplicate, task_id: str | None, *, known: bool) -> None:
    """Report a call that gets the value of an earlier run.

    Arguments:
        known: whether the duplicate was reported before, when it began to wait.
    """
    duplicate.count(names.CACHED)
    if not known:
        report(duplicate, task_id, ANSWERED, "cached")


def send_waits(duplicate: Duplicate, waited: Waited) -> None:
    """Report a duplicate that goes back to its queue: signal ``task_waits``, counter.

    Arguments:
        waited: its waits so far.
    """
    duplicate.count(names.WAITS)
    send_signal(
        task_waits,
        duplicate.task,
        key=duplicate.key,
        owner=duplicate.owner,
        task_id=duplicate.request.id,
        times=waited.times + 1,
        since=waited.since,
    )


def warn_of_own_duplicate(task: Task, task_id: str | None, owner: str) -> None:
    """Warn that a task sent a duplicate of itself in its own body.

    Most often that call was meant to be the next run, and now there is none.
    """
    logger.warning(
        "%s[%s] is dropped: it was sent in the body of %s, which holds its key. For a "
        'next run of the task, send it with apply_async(..., unique="successor"), or '
        "call current_lock().release() before",
        *(task.name, task_id, owner),
    )
