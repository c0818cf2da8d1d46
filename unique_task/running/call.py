"""One call of a guarded task: which task it is, and how it came to be called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any
from weakref import ref

from celery import Task
from celery._state import get_current_task
from celery.utils.nodenames import gethostname
from kombu.utils.uuid import uuid

from ..backends.record import Token
from ..leases.current import is_guarded
from ..leases.lease import Lease
from ..leases.progress import LEAVES_LATER, progress_at, request_of
from ..messages.lock_header import LockHeader
from ..messages.requeue import Waited
from ..messages.stamp import mark_of


@dataclass
class Call:
    """One call of a task.

    Attributes:
        task: that is called.
        request: Celery's request for this attempt; None for a direct call.
        args: without the bound ``self``.
        kwargs: of the call.
        body: runs the task's own function.
        owner: id of the task, or one made up for a direct call.
        abandon: frees the lock that the store may have given to the call, if the call
            breaks off before its body is in charge of the lock; None if there is none.
    """

    task: Task
    request: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    body: Callable[[], Any]
    owner: str
    abandon: Callable[[], object] | None = None

    @property
    def queued(self) -> bool:
        """True if a worker got the call from a queue."""
        return self.request is not None and not self.request.is_eager

    @property
    def eager(self) -> bool:
        """True if Celery runs the task in place: ``apply()``, ``task_always_eager``."""
        return self.request is not None and bool(self.request.is_eager)

    @property
    def task_id(self) -> str | None:
        """Id of the task; None for a direct call."""
        return None if self.request is None else str(self.request.id)

    @property
    def late(self) -> bool:
        """True if the message is acknowledged only after the run."""
        return self.queued and bool(self.task.acks_late)

    @property
    def redelivered(self) -> bool:
        """True if the broker says that it delivers the message again."""
        return bool((self.request.delivery_info or {}).get("redelivered"))

    @property
    def recognised(self) -> bool:
        """True if what is remembered of an attempt like this one is of this message.

        Without a mark another message may have had its id, but for one that was
        delivered before.
        """
        return bool(self.waited.times or self.redelivered or self._mark[0])

    def may_come_again(self, visibility: float) -> bool:
        """Tell whether the broker may deliver the message again while or after it runs.

        That is so until it is acknowledged: after the run if that is late; else when
        it starts, before which it may have waited in a worker for its eta or for a slot
        until the broker took it back.

        Arguments:
            visibility: seconds for which the broker waits for that at least.
        """
        if not self.queued:
            return False
        if self.late or self.redelivered or self.request.eta is not None:
            return True
        return self._mark[1] > visibility

    @cached_property
    def waited(self) -> Waited:
        """How often the call has come back without running."""
        return Waited.of(self.request) if self.queued else Waited(0, 0.0)

    @property
    def at(self) -> str:
        """Where a duplicate is met; see :class:`.Duplicate`."""
        return "call" if self.request is None else "run"

    @cached_property
    def published(self) -> LockHeader | None:
        """What the message of the call says of its lock, if it does."""
        return None if self.request is None else LockHeader.of(vars(self.request))

    @property
    def retries_outside(self) -> bool:
        """True if Celery may retry the task when the guard is left (autoretry_for)."""
        return self.queued and hasattr(self.task.run, LEAVES_LATER)

    def leave_later(self, leave: Callable[[], None]) -> None:
        """Call `leave` when it is known whether Celery retries the task."""
        progress_at(self.request).leave = leave

    def note_lease(self, lease: Lease) -> None:
        """Remember under what the body runs, for the task's next try."""
        progress_at(self.request).lease = ref(lease)

    def note_settled(self) -> None:
        """Remember that the guard has dealt with what the message reserved."""
        progress_at(self.request).settled = True

    def break_off(self) -> None:
        """Free the lock if the store may have given one, and no body runs under it."""
        abandon, self.abandon = self.abandon, None
        if abandon is not None:
            abandon()

    def note_verdict(self, verdict: Exception) -> None:
        """Remember that the guard, not the body, ended the attempt with `verdict`."""
        if self.request is not None:
            # Its id will do for as long as it travels: the exception itself would keep
            # the request alive, through the frames of its traceback.
            progress_at(self.request).verdict = id(verdict)

    def finish_later(self, finish: Callable[[str | None], None]) -> None:
        """Call `finish` with Celery's state when the outcome is stored."""
        progress_at(self.request).finish = finish

    @property
    def admitted(self) -> bool:
        """True if the task is known to have been let in before."""
        return bool(self.retries) or self.waited.admitted

    @property
    def retries(self) -> int:
        """How often the task has retried itself."""
        return (self.request.retries or 0) if self.request is not None else 0

    def token(self) -> Token:
        """Return a fresh token for this attempt."""
        if self.request is None:
            return Token.of_attempt(self.owner)
        nesting = self.request.replaced_task_nesting or 0
        return Token.of_attempt(self.owner, self.retries, nesting, self._mark[0])

    @cached_property
    def _mark(self) -> tuple[str, float]:
        return mark_of(self.waited.message)

    @property
    def worker(self) -> str:
        """Node that makes the call."""
        node = self.request.hostname if self.request is not None else None
        return node or _node_name()


def call_of(task: Task, args: Any, kwargs: Any, body: Callable[[], Any]) -> Call:
    """Return the call of `task` that is under way in this thread."""
    request = _new_request(task)
    owner = uuid() if request is None else str(request.id)
    return Call(task, request, args, kwargs, body, owner)


def _new_request(task: Task) -> Any:
    """Return the request that `task` begins to work on; None if it is called directly.

    Celery's current task need not be `task`: it may be one that calls ``task.run()``.
    And ``self(...)`` in a body that is guarded already sees the request of that body.
    """
    if get_current_task() is not task or task.request.called_directly:
        return None
    request = request_of(task)
    return None if not request.id or is_guarded(request) else request


@lru_cache(maxsize=1)
def _node_name() -> str:
    return str(gethostname())
