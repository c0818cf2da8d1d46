"""A call that meets the lock of another one, as its policy sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from celery import Task

from ..backends.steps import Held
from ..exceptions import DuplicateTaskError


@dataclass(frozen=True)
class Duplicate:
    """A call whose key is held by another attempt.

    Attributes:
        task: that was called.
        args: without the bound ``self``.
        kwargs: of the call.
        key: the digest that both calls share.
        owner: id of the task that holds the lock; None if the store does not tell.
        remaining: seconds for which the lock stands if nothing renews it.
        request: Celery's request; None where the task is not run from a queue or
            eagerly.
        admitted: whether the task was let in before: retried, or delivered again after
            a crash. It waits then, whatever its policy.
        at: ``"publish"``, ``"run"``, or ``"call"`` for a direct call ``task(...)``.
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

    @classmethod
    def met(cls, held: Held | None, task: Task, key: str, **call: Any) -> Duplicate:
        """Return a call that met `held`; or None, where it met a stored value."""
        owner = held.record.owner if held is not None else None
        remaining = held.remaining if held is not None else None
        return cls(task, key=key, owner=owner, remaining=remaining, **call)

    @property
    def queued(self) -> bool:
        """True if the call came from a queue, so that it can go back to it."""
        return self.request is not None and not self.request.is_eager

    @property
    def error(self) -> DuplicateTaskError:
        """The error that says so."""
        return DuplicateTaskError(self.key, self.owner, self.remaining)


#: Gets the duplicate; returns the value of the call, or raises.
Policy = Callable[[Duplicate], Any]
