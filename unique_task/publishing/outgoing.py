"""A message of a guarded task before it is sent, and whether it is to be sent."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from celery import Task

from ..backends.base import Backend
from ..backends.record import Record
from ..keys.arguments import Misfit
from ..keys.digest import digest_of_source, source_of
from ..leases.current import held_lease
from ..messages.lock_header import LockHeader
from ..messages.sent_arguments import as_sent
from ..messages.waited import Waited
from ..options.app_settings import settings_of
from ..options.call_options import CallOptions
from ..options.plan import Plan
from ..options.policies import Replace
from ..options.settings import Settings
from ..options.task_spec import TaskSpec
from .send_options import SendOptions


@dataclass(eq=False, repr=False)
class NotSent:
    """The message is not sent.

    Attributes:
        result: the result that the caller gets instead.
    """

    result: Any


@dataclass(eq=False, repr=False)
class ToSend:
    """The message is to be sent.

    Attributes:
        lock: the header about its lock, if the message needs one.
        waited: what it waits for, if its worker may start it early.
    """

    lock: LockHeader | None = None
    waited: Waited | None = None


@dataclass(eq=False, repr=False)
class Undo:
    """How to release what a message has taken, if the message is not sent.

    Attributes:
        action: releases it; None if nothing was taken.
        unanswered: whether the store may have taken it, but did not answer.
    """

    action: Callable[[], object] | None = None
    unanswered: bool = False


@dataclass(eq=False, repr=False)
class Outgoing:
    """A message that is about to be published.

    Attributes:
        task: the task that is called.
        args: of the call.
        kwargs: of the call.
        options: of ``apply_async``.
        call_options: the options that the call gives for its guard.
        spec: the lock configuration of the task.
        message: the id of the message.
        undo: how to release what was taken for the message.
        plan: how the call is guarded, once :meth:`make_plan` has worked it out.
        settings: of the app, at that time.
        replace: the policy, if the message may replace another.
    """

    task: Task
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    options: SendOptions
    call_options: CallOptions
    spec: TaskSpec
    message: str
    undo: Undo = field(default_factory=Undo)
    plan: Plan = field(init=False)
    settings: Settings = field(init=False)
    replace: Replace | None = field(init=False)
    _backend: Backend | None = None
    _key: str | None = None
    _source: str | None = None
    _limit: int | None = None

    @property
    def id(self) -> str:
        """The id of the task."""
        return self.options.id

    @property
    def sent_without_store(self) -> bool:
        """True if the message is sent even if the store does not answer."""
        return self.options.bound or self.plan.on_unavailable == "run"

    def make_plan(self) -> None:
        """Work out how the call is guarded.

        Raises:
            ConfigurationError: if options and settings do not fit together.
        """
        self.settings = settings_of(self.task.app)
        plan = self.plan = self.spec.plan(self.task, self.settings, self.call_options)
        policy = None if self.options.bound else plan.publish_policy
        self.replace = policy if isinstance(policy, Replace) else None

    def make_plain(self) -> None:
        """Treat a successor as a plain call, which may have the lock itself."""
        self.call_options = replace(self.call_options, successor=False)
        self.make_plan()

    @property
    def replaceable(self) -> bool:
        """True if a later message may replace this one."""
        return self.replace is not None and not self.options.awaited

    @property
    def reservation(self) -> str:
        """The name under which the store keeps the reservation."""
        return self.plan.lock.reservation_name(self.key)

    # Not cached by functools, which takes a lock for each until Python 3.12.
    @property
    def backend(self) -> Backend:
        """The backend of its lock."""
        if self._backend is None:
            self._backend = self.spec.backend(self.task, self.settings)
        return self._backend

    @property
    def key(self) -> str:
        """The key of the call."""
        if self._key is None:
            self._key = self._digest()
        return self._key

    @property
    def limit(self) -> int:
        """How many reservations of the key there may be at once."""
        if self._limit is None:
            self._limit = self._limit_of_call()
        return self.plan.lock.reservation_limit(self._limit)

    def _limit_of_call(self) -> int:
        task, plan, call = self.task, self.plan, (self.args, self.kwargs)
        if callable(plan.limit):
            call = as_sent(task, *call, self.options.values.get("serializer"))
        return self.spec.limit(task, plan, self.backend, *call)

    @property
    def fits(self) -> bool:
        """False if the task cannot be called with these arguments, and will fail."""
        try:
            return bool(self.key and self.limit)
        except Misfit:
            return False

    def _digest(self) -> str:
        task, spec, call = self.task, self.spec, (self.args, self.kwargs)
        if self.call_options.source is not None:
            self._source = self.call_options.source
        elif self.call_options.has_key:
            self._source = source_of(self.call_options.key)
        elif spec.computed:
            serializer = self.options.values.get("serializer")
            self._source = spec.sent_source(task, *call, serializer)
        else:
            return spec.digest(task, *call)
        return digest_of_source(spec.namespace(task), self._source)

    def put_off(self, since: float = 0) -> None:
        """Let the message wait as the policy ``replace`` asks, if that is its policy.

        Arguments:
            since: seconds since the first of the replaced messages was published.
        """
        policy = self.replace
        if policy is not None:
            self.options.put_off(policy, since)

    @property
    def pending(self) -> float:
        """Seconds for which a lock that is taken now waits for the message."""
        plan = self.plan
        return self.options.pending(plan.expire, window=plan.lock.ends_by_time)

    def record(self) -> Record:
        """Return a record with a fresh token, which the message will carry."""
        token = self.options.new_token(self.message)
        return Record(token, self.task.name, state="pending")

    def lock_header(self, **lock: Any) -> LockHeader:
        """Return the header about the lock of the message."""
        if self.call_options.successor:
            holder = held_lease(self.key, self.backend)
            lock["follows"] = self.id if holder is None else holder.owner
        return LockHeader(
            self.id,
            self.message,
            self.spec.namespace(self.task),
            own_key=self.call_options.has_key,
            source=self._source,
            unique=self.call_options.header(),
            **lock,
        )

    def without_lock(self) -> ToSend:
        """Send the message without a lock, but with the options of its call."""
        own_key = self.key if self.call_options.has_key else None
        return ToSend(self.lock_header(key=own_key) if self.call_options else None)

    def without_reservation(self) -> ToSend:
        """Send the message without a reservation: its worker takes the lock."""
        return ToSend(self.lock_header(key=self.key))

    def with_reservation(
        self, record: Record, pending: float, generation: int | None = None
    ) -> ToSend:
        """Send the message with the token of the lock that waits for it."""
        reserved: dict[str, Any] = {
            "token": record.token,
            "generation": generation,
            "until": time.time() + pending,
            "store": self.backend.fingerprint,
            "lock": self.plan.lock.name,
        }
        if self.settings.shadow:  # a worker that enforces locks does not see this
            reserved = {"shadow": reserved}
        return ToSend(self.lock_header(key=self.key, **reserved))

    def as_duplicate_in_shadow(self) -> ToSend:
        """Send the message in spite of its policy; its worker counts it no more."""
        return ToSend(self.lock_header(key=self.key, shadow={"duplicate": True}))
