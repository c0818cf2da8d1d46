"""A call of a guarded task: which task, which request, and what its message carries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from celery import Task
from celery.utils.nodenames import gethostname
from kombu.utils.uuid import uuid

from ..backends.record import Token
from ..leases.current import lease_for, original_in
from ..messages.lock_header import LockHeader
from ..messages.stamp import nonce_and_age, our_headers
from ..messages.waited import Waited


@dataclass(eq=False, repr=False)
class Call:
    """One call of a task.

    Attributes:
        task: the task that is called.
        request: Celery's request for this attempt; None for a direct call.
        args: without the bound ``self``.
        kwargs: of the call.
        body: runs the task's own function.
        owner: id of the task; a new id for a direct call.
        queued: whether a worker got the call from a queue, to which it can go back.
        waited: how often the call has come back without running.
        published: the lock header of the message; None if there is none.
        nonce: of the message; empty if it was published without an id.
        age: of the message in seconds; 0 if it was published without an id.
        release_unused: releases the lock that the store may have given to the call, as
            long as no lease holds it; None if there is no such lock.
    """

    task: Task
    request: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    body: Callable[[], Any]
    owner: str
    queued: bool
    waited: Waited
    published: LockHeader | None = None
    nonce: str = ""
    age: float = 0.0
    release_unused: Callable[[], object] | None = None

    @property
    def eager(self) -> bool:
        """True if Celery runs the task in place: ``apply()``, ``task_always_eager``."""
        return self.request is not None and not self.queued

    @property
    def task_id(self) -> str | None:
        """Id of the task; None for a direct call."""
        return None if self.request is None else self.owner

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
    def redelivered(self) -> bool:
        """True if the broker marks the message as delivered again."""
        return bool((self.request.delivery_info or {}).get("redelivered"))

    @property
    def retries(self) -> int:
        """How often the task has retried itself."""
        return (self.request.retries or 0) if self.request is not None else 0

    @property
    def admitted(self) -> bool:
        """True if the task is known to have got the lock before."""
        return bool(self.retries) or self.waited.admitted

    @property
    def follows_itself(self) -> bool:
        """True if another attempt of the task may hold the lock still."""
        if not self.queued:
            return self.admitted
        again = self.redelivered or self.request.replaced_task_nesting
        return bool(again) or self.admitted

    @property
    def has_known_message(self) -> bool:
        """True if a finished mark of this attempt is about this very message.

        A message without a nonce may be another one for the same task id, unless it was
        delivered before.
        """
        return bool(self.waited.times or self.redelivered or self.nonce)

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
        if self.task.acks_late or self.request.eta is not None:
            return True
        return self.age > visibility or self.redelivered

    def release_if_unused(self) -> None:
        """Release the lock that the store may have given, if no lease holds it."""
        release, self.release_unused = self.release_unused, None
        if release is not None:
            release()

    def new_token(self) -> str:
        """Return a new token for this attempt."""
        if self.request is None:
            return Token.of_attempt(self.owner)
        nesting = self.request.replaced_task_nesting or 0
        return Token.of_attempt(self.owner, self.retries, nesting, self.nonce)


def call_of(
    task: Task, current: Task | None, args: Any, kwargs: Any, body: Callable[[], Any]
) -> Call:
    """Return the call of `task` that this thread makes.

    Arguments:
        current: Celery's current task.
    """
    # Another task may be current, whose body calls task.run().
    request = _new_request(task) if current is task else None
    if request is None:
        return Call(task, None, args, kwargs, body, uuid(), False, Waited(0, 0.0))
    ours, queued = our_headers(vars(request)), not request.is_eager
    waited = Waited.among(ours, request.id) if queued else Waited(0, 0.0)
    published, owner = LockHeader.among(ours, request.id), str(request.id)
    call = Call(task, request, args, kwargs, body, owner, queued, waited, published)
    call.nonce, call.age = nonce_and_age(waited.message)
    return call


def _new_request(task: Task) -> Any:
    """Return the request that `task` begins to work on; None if it is called directly.

    ``self(...)`` in a guarded body sees the request of that body.
    """
    requests = task.request_stack.stack
    if not requests or requests[-1].called_directly:
        return None
    request = requests[0] if len(requests) == 1 else original_in(requests)
    return request if request.id and lease_for(request) is None else None


@lru_cache(maxsize=1)
def _node_name() -> str:
    return str(gethostname())
