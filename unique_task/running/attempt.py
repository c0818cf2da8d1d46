"""A call of a guarded task, and the attempt to run it under a lock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from celery import Task
from celery._state import get_current_task
from celery.utils.nodenames import gethostname
from kombu.utils.uuid import uuid

from ..backends.base import Backend
from ..backends.record import Record, Token
from ..leases.background import release_later
from ..leases.current import is_guarded, progress_at, request_of
from ..messages.lock_header import LockHeader
from ..messages.stamp import nonce_and_age
from ..messages.waited import Waited, is_queued
from ..options.plan import Plan


@dataclass
class Call:
    """One call of a task.

    Attributes:
        task: the task that is called.
        request: Celery's request for this attempt; None for a direct call.
        args: without the bound ``self``.
        kwargs: of the call.
        body: runs the task's own function.
        owner: id of the task; a new id for a direct call.
        release_unused: releases the lock that the store may have given to the call, as
            long as no lease holds it; None if there is no such lock.
    """

    task: Task
    request: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    body: Callable[[], Any]
    owner: str
    release_unused: Callable[[], object] | None = None

    @cached_property
    def queued(self) -> bool:
        """True if a worker got the call from a queue."""
        return is_queued(self.request)

    @property
    def eager(self) -> bool:
        """True if Celery runs the task in place: ``apply()``, ``task_always_eager``."""
        return self.request is not None and bool(self.request.is_eager)

    @property
    def task_id(self) -> str | None:
        """Id of the task; None for a direct call."""
        return None if self.request is None else str(self.request.id)

    @property
    def at(self) -> str:
        """Where a duplicate is met; see :class:`.Duplicate`."""
        return "call" if self.request is None else "run"

    @property
    def worker(self) -> str:
        """Node that makes the call."""
        node = self.request.hostname if self.request is not None else None
        return node or _node_name()

    @property
    def acks_late(self) -> bool:
        """True if the message is acknowledged only after the run."""
        return self.queued and bool(self.task.acks_late)

    @property
    def redelivered(self) -> bool:
        """True if the broker marks the message as delivered again."""
        return bool((self.request.delivery_info or {}).get("redelivered"))

    @property
    def retries(self) -> int:
        """How often the task has retried itself."""
        return (self.request.retries or 0) if self.request is not None else 0

    @cached_property
    def published(self) -> LockHeader | None:
        """The lock header of the message; None if there is none."""
        return None if self.request is None else LockHeader.of(vars(self.request))

    @cached_property
    def waited(self) -> Waited:
        """How often the call has come back without running."""
        return Waited.of(self.request) if self.queued else Waited(0, 0.0)

    @cached_property
    def _nonce_and_age(self) -> tuple[str, float]:
        return nonce_and_age(self.waited.message)

    @property
    def admitted(self) -> bool:
        """True if the task is known to have got the lock before."""
        return bool(self.retries) or self.waited.admitted

    @property
    def has_known_message(self) -> bool:
        """True if a finished mark of this attempt is about this very message.

        A message without a nonce may be another one for the same task id, unless it was
        delivered before.
        """
        return bool(self.waited.times or self.redelivered or self._nonce_and_age[0])

    def may_be_redelivered(self, visibility: float) -> bool:
        """Tell whether the broker may deliver the message again, when the run starts.

        The broker may do so until the message is acknowledged: with ``acks_late`` after
        the run, else when the run starts. Before that the message may have waited in a
        worker, for its eta or for a slot, for longer than the broker waits. See
        :mod:`.redelivery` for how the outcome decides.

        Arguments:
            visibility: shortest time in seconds that the broker waits.
        """
        if not self.queued:
            return False
        if self.acks_late or self.redelivered or self.request.eta is not None:
            return True
        return self._nonce_and_age[1] > visibility

    def release_if_unused(self) -> None:
        """Release the lock that the store may have given, if no lease holds it."""
        release, self.release_unused = self.release_unused, None
        if release is not None:
            release()

    def new_token(self) -> Token:
        """Return a new token for this attempt."""
        if self.request is None:
            return Token.of_attempt(self.owner)
        nesting = self.request.replaced_task_nesting or 0
        return Token.of_attempt(
            self.owner, self.retries, nesting, self._nonce_and_age[0]
        )


def call_of(task: Task, args: Any, kwargs: Any, body: Callable[[], Any]) -> Call:
    """Return the call of `task` that this thread makes."""
    request = _new_request(task)
    owner = uuid() if request is None else str(request.id)
    return Call(task, request, args, kwargs, body, owner)


def _new_request(task: Task) -> Any:
    """Return the request that `task` begins to work on; None if it is called directly.

    Celery's current task may be another one, whose body calls ``task.run()``. And
    ``self(...)`` in a guarded body sees the request of that body.
    """
    if get_current_task() is not task or task.request.called_directly:
        return None
    request = request_of(task)
    return None if not request.id or is_guarded(request) else request


@lru_cache(maxsize=1)
def _node_name() -> str:
    return str(gethostname())


@dataclass
class Attempt:
    """A call that tries to run its body, with a key and a token.

    Attributes:
        record: of the lock that the body needs.
        published: the lock header of the message.
    """

    call: Call
    plan: Plan
    backend: Backend
    key: str
    record: Record
    published: LockHeader | None = None

    @property
    def lock(self) -> str:
        """Name under which the store keeps the lock of the run."""
        return self.plan.lock.run_name(self.key, self.call.owner)

    @property
    def reservation(self) -> str:
        """Name under which the store keeps the lock that is taken at publish."""
        return self.plan.lock.reservation_name(self.key)

    @property
    def reserved(self) -> tuple[str, ...]:
        """The token that reserved a lock for the message; empty if none did."""
        token = self.published.token if self.published is not None else None
        if not Token.belongs_to(token, self.call.owner):
            return ()
        return (token,) if token and self.plan.lock.taken_at_publish else ()

    @property
    def follows(self) -> str:
        """Id of the task that a successor waits for; its own id if that is unknown."""
        follows = self.published.follows if self.published is not None else None
        return follows or self.call.owner

    @property
    def generation(self) -> int | None:
        """Fence of the reservation, if a later message may replace this one."""
        return self.published.generation if self.published is not None else None

    @cached_property
    def finished_for(self) -> float:
        """Seconds for which the store keeps the finished mark of the attempt.

        It is 0 if the message cannot be delivered again.
        """
        # The broker waits for an acknowledgement for half of this time.
        seconds = self.plan.remember_for
        return seconds if self.call.may_be_redelivered(seconds / 2) else 0.0

    @cached_property
    def remember_for(self) -> float:
        """Seconds for which the store remembers that the attempt got the lock."""
        return self.finished_for + self.plan.lease if self.finished_for else 0.0

    def note_reservation_handled(self) -> None:
        """Note that the guard has taken care of what the message reserved."""
        if self.reserved:
            progress_at(self.call.request).reservation_handled = True

    def release_unused(self) -> None:
        """Release the lock that the store may have given, without waiting for it."""
        release_later(self.backend, self.lock, self.record.token)
