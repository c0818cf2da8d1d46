"""A message that is about to be published for a guarded task, and who waits for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from celery import Task

from ..backends.base import Backend
from ..backends.record import Record, Token
from ..keys.arguments import Misfit
from ..keys.digest import digest_of_source, source_of
from ..leases.current import held_lease
from ..messages.delays import sendable_countdown
from ..messages.lock_header import LockHeader
from ..options.call_options import CallOptions
from ..options.plan import Plan
from ..options.policies import Replace
from ..options.settings import Settings, settings_of
from ..options.task_spec import TaskSpec
from .bound_messages import is_bound
from .pending_time import pending_time, seconds_to

#: Options with the callbacks of a call, which run only if it does.
_CALLBACKS = ("link", "link_error")


@dataclass
class Outgoing:
    """A message that is about to be published.

    Attributes:
        task: that it is for.
        args: of the call.
        kwargs: of the call.
        options: of ``apply_async``, with the ``task_id``.
        said: what the call says of its guard.
        spec: of the task.
        message: header of the message.
        named: whether the caller chose the id, so that others may wait for it.
        undo: gives back what was taken for the message, if it is not sent; None if
            nothing was.
        unanswered: whether nobody knows if anything was taken, as the store was asked
            and did not answer.
    """

    task: Task
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    options: dict[str, Any]
    said: CallOptions
    spec: TaskSpec
    message: str
    named: bool = False
    undo: Callable[[], object] | None = None
    unanswered: bool = False
    _settings: Settings | None = None
    _bound: bool | None = None
    _plan: Plan | None = None
    _backend: Backend | None = None
    _key: str | None = None
    _source: str | None = None

    @property
    def id(self) -> str:
        """Id of the task."""
        return str(self.options["task_id"])

    @property
    def bound(self) -> bool:
        """True if the message must be sent, and its sender must not fail."""
        if self._bound is None:
            self._bound = is_bound(self.task.app, self.options, self.named)
        return self._bound

    @property
    def awaited(self) -> bool:
        """True if others go on when it ends: it is sent, duplicate or not."""
        return self.bound or any(map(self.options.get, _CALLBACKS))

    @property
    def sent_anyway(self) -> bool:
        """True if it is sent also where the store of locks does not answer."""
        return self.bound or self.plan.on_unavailable == "run"

    @property
    def again(self) -> bool:
        """True if the task has run before: it retries or replaces itself."""
        options = self.options
        return bool(options.get("retries") or options.get("replaced_task_nesting"))

    @property
    def settings(self) -> Settings:
        """What the app says of its locks."""
        if self._settings is None:
            self._settings = settings_of(self.task.app)
        return self._settings

    # Not cached by functools, which takes a lock for each until Python 3.12.
    @property
    def plan(self) -> Plan:
        """How the call is guarded."""
        if self._plan is None:
            self._plan = self.spec.plan(self.task, self.settings, self.said)
        return self._plan

    def forget_plan(self) -> None:
        """Plan anew, as :attr:`said` has changed."""
        self._plan = None

    @property
    def replace(self) -> Replace | None:
        """The policy, if the message may take the place of another."""
        policy = None if self.bound else self.plan.publish_policy
        return policy if isinstance(policy, Replace) else None

    @property
    def replaceable(self) -> bool:
        """True if another message may take its place in turn."""
        return self.replace is not None and not self.awaited

    @property
    def ignored(self) -> bool:
        """True if nobody will ask for its result: the call says so, else the task."""
        ignore = self.options.get("ignore_result")
        return bool(self.task.ignore_result if ignore is None else ignore)

    @property
    def reservation(self) -> str:
        """Under what the store keeps the lock that waits for the message."""
        return self.plan.lock.reservation_name(self.key)

    @property
    def backend(self) -> Backend:
        """The store of its lock."""
        if self._backend is None:
            self._backend = self.spec.backend(self.task, self.settings)
        return self._backend

    @property
    def key(self) -> str:
        """What makes the call equal to others."""
        if self._key is None:
            self._key = self._digest()
        return self._key

    @property
    def fits(self) -> bool:
        """False if the task cannot be called so, and fails where it runs."""
        try:
            return bool(self.key)
        except Misfit:
            return False

    def _digest(self) -> str:
        task, spec, call = self.task, self.spec, (self.args, self.kwargs)
        if self.said.source is not None:
            self._source = self.said.source
        elif self.said.has_key:
            self._source = source_of(self.said.key)
        elif spec.computed:
            serializer = self.options.get("serializer")
            self._source = spec.sent_source(task, *call, serializer)
        else:
            return spec.digest(task, *call)
        return digest_of_source(spec.namespace(task), self._source)

    @property
    def wait(self) -> float:
        """Seconds until the message may start."""
        options = self.options
        return seconds_to(self.task.app, options.get("countdown"), options.get("eta"))

    @wait.setter
    def wait(self, seconds: float) -> None:
        self.options.pop("eta", None)
        self.options["countdown"] = sendable_countdown(self.task, seconds, self.options)

    def put_off(self, since: float = 0) -> None:
        """Let the message wait as ``replace`` says, for those that may follow.

        However often one takes the place of another, the last one waits no longer in
        all than that allows.

        Arguments:
            since: seconds since the first of them was published.
        """
        replace = self.replace
        if replace is None:
            return
        said = self.options.get("countdown"), self.options.get("eta")
        if said == (None, None) and replace.countdown is not None:
            self.wait = replace.countdown
        if replace.max_wait is not None and self.wait > replace.max_wait - since:
            self.wait = max(0.0, replace.max_wait - since)

    @property
    def pending(self) -> float:
        """Seconds for which a lock that is taken now waits for the message."""
        app, expire = self.task.app, self.plan.expire
        pending = pending_time(app, self.options, expire)
        # A window is open until its time is over, whatever becomes of the message.
        return (
            self.wait + expire if pending and self.plan.lock.ends_by_time else pending
        )

    def record(self) -> Record:
        """Return a record with a fresh token, which the message will carry."""
        options = self.options
        token = Token.of_attempt(
            self.id,
            options.get("retries") or 0,
            options.get("replaced_task_nesting") or 0,
            self.message.partition("-")[0],
        )
        return Record(str(token), self.task.name, state="pending")

    def published(self, **lock: Any) -> LockHeader:
        """Return what the message says of its lock."""
        if self.said.successor:
            holder = held_lease(self.key, self.backend)
            lock["follows"] = self.id if holder is None else holder.owner
        return LockHeader(
            self.id,
            self.message,
            self.spec.namespace(self.task),
            own_key=self.said.has_key,
            source=self._source,
            unique=self.said.header(),
            **lock,
        )
