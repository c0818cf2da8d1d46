"""What is said of the calls of one task: their keys, and how they are guarded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from celery import Task
from kombu.serialization import dumps, loads, prepare_accept_content

from ..backends.base import Backend
from ..backends.record import Token
from ..durations import seconds
from ..exceptions import ConfigurationError, LockStoreError
from ..keys.arguments import Parameters
from ..keys.digest import digest_of, digest_of_source, source_of
from ..keys.key_option import key_from_option
from ..messages.lock_header import LockHeader
from .call_options import NO_CALL_OPTIONS, CallOptions, call_options_in
from .lock_types import LOCK_TYPES, lock_type
from .plan import Plan, plan_of
from .settings import Settings, backend_of, settings_of
from .task_options import Options


@dataclass
class CallPlan:
    """How one call is guarded.

    Attributes:
        published: what its message says of its lock, if it does.
        guarded: False if all guards are switched off, but a lock waits for the message.
    """

    plan: Plan
    backend: Backend
    key: str
    published: LockHeader | None
    guarded: bool = True


def name_of(task: Task) -> str:
    """Return the name of a task; of one that is not registered, that of its class."""
    kind = type(task)
    return str(task.name or f"{kind.__module__}.{kind.__qualname__}")


class TaskSpec:
    """The lock configuration of one task: how a key is computed, which plan applies.

    Arguments:
        options: what ``@unique`` says of the task.
        parameters: of the task, without ``self``.

    Raises:
        ConfigurationError: if ``key=`` does not fit the parameters.
    """

    def __init__(self, options: Options, parameters: Parameters) -> None:
        self.options = options
        self.parameters = parameters
        self._key = key_from_option(options.key, parameters)
        self._expire = (
            None if options.expire is None else seconds("expire", options.expire)
        )
        self._planned: tuple[Settings, float, Plan] | None = None

    @property
    def computed(self) -> bool:
        """True if code of the user's makes the keys."""
        return self._key.computed

    def namespace(self, task: Task) -> str:
        """Return what tasks share whose locks `task` shares."""
        return self.options.namespace or name_of(task)

    def digest(self, task: Task, args: Any, kwargs: Any) -> str:
        """Return the key of a call of `task` with these arguments."""
        return self._key.digest(self.namespace(task), args, kwargs)

    def digest_of(self, task: Task, value: Any) -> str:
        """Return the key that stands for what a ``key=`` callable would return."""
        return digest_of(self.namespace(task), value)

    def value(self, task: Task, args: Any, kwargs: Any) -> Any:
        """Return what the user's code returns for a call, which becomes the key."""
        return self._key.value(args, kwargs)

    def sent_source(
        self, task: Task, args: Any, kwargs: Any, serializer: str | None
    ) -> str:
        """Return the source of the key of a call that is about to be sent.

        Code of the user's sees what the worker's would: what the serializer makes of
        the arguments.
        """
        name = serializer or task.serializer or task.app.conf.task_serializer
        kind, encoding, data = dumps((args, kwargs), name)
        accept = prepare_accept_content([kind])
        args, kwargs = loads(data, kind, encoding, accept=accept)
        return source_of(self.value(task, args, kwargs))

    def expire(self, task: Task, settings: Settings) -> float:
        """Return how many seconds a lock of `task` stands when nothing renews it."""
        return settings.expire if self._expire is None else self._expire

    def plan(
        self, task: Task, settings: Settings, said: CallOptions = NO_CALL_OPTIONS
    ) -> Plan:
        """Return how a call of `task` is guarded, given what the call says of that.

        Raises:
            ConfigurationError: if options or settings make no sense.
        """
        plan = self._plan(task, settings, said)
        return plan.for_successor() if said.successor else plan

    def _plan(self, task: Task, settings: Settings, said: CallOptions) -> Plan:
        expire = self.expire(task, settings)
        if said.options:
            options = said.override(self.options)
            if "expire" in said.options:
                expire = seconds("expire", options.expire)
            return plan_of(options, settings, expire)
        planned = self._planned
        if planned is None or planned[0] is not settings or planned[1] != expire:
            plan = plan_of(self.options, settings, expire)
            planned = self._planned = settings, expire, plan
        return planned[2]

    def backend(
        self, task: Task, settings: Settings, *, eager: bool = False
    ) -> Backend:
        """Return the store of the locks of `task`.

        Arguments:
            eager: fall back on locks in memory, for a call that no worker is part of.

        Raises:
            ConfigurationError: if there is none.
        """
        return backend_of(task.app, settings, self.options.backend, eager=eager)

    def call_plan(
        self,
        task: Task,
        published: LockHeader | None,
        args: Any,
        kwargs: Any,
        *,
        eager: bool = False,
    ) -> CallPlan | None:
        """Return how a call is guarded; None if it is not.

        Arguments:
            published: what came with its message.

        Raises:
            ConfigurationError: if options or settings make no sense.
            UniqueKeyError: if the arguments cannot be made a key.
        """
        settings = settings_of(task.app)
        if published is not None and not self._knows(task, published):
            published = published.elsewhere
        said = NO_CALL_OPTIONS if published is None else call_options_in(published)
        reserved = published is not None and published.token is not None
        if not said.enabled or not (settings.enabled or reserved):
            return None
        plan = self.plan(task, settings, said)
        if published is not None and published.lock not in (None, plan.lock.name):
            # It was published before a deploy that changed it.
            lock = lock_type(published.lock)
            lock = lock.for_successor() if said.successor else lock
            plan = replace(plan, lock=lock)
        backend = self.backend(task, settings, eager=eager)
        call_plan = CallPlan(plan, backend, "", published, settings.enabled)
        call_plan.key = self._key_of(task, call_plan, said, (args, kwargs))
        return call_plan

    def _knows(self, task: Task, published: LockHeader) -> bool:
        """Tell whether this version can name the lock that a message reserved.

        If not, what its caller said of the call counts all the same.
        """
        known = published.lock is None or published.lock in LOCK_TYPES
        return known and published.namespace == self.namespace(task)

    def _key_of(
        self, task: Task, call_plan: CallPlan, said: CallOptions, call: tuple[Any, Any]
    ) -> str:
        """Return the key of a call: by its message, if that is of this namespace.

        Anybody who can publish can write any key into a header, also one of another
        task. A key does not show what it was made of. So the message says that, or the
        arguments do, or the store knows the message by its token.
        """
        published = call_plan.published
        if published is not None and published.source is not None:
            return digest_of_source(self.namespace(task), published.source)
        if said.has_key:
            return self.digest_of(task, said.key)
        if published is None or published.key is None:
            return self.digest(task, *call)
        if not self.computed and self._follows(task, published, call):
            return published.key
        if _is_reserved(task, call_plan, published):
            return published.key
        return self.digest(task, *call)

    def _follows(
        self, task: Task, published: LockHeader, call: tuple[Any, Any]
    ) -> bool:
        """Tell whether the key of a message follows from its arguments."""
        try:
            return self.digest(task, *call) == published.key
        except (TypeError, ValueError):  # as before a deploy that changed the task
            return False

    def check(self, task: Task, settings: Settings) -> None:
        """Raise ConfigurationError if options or settings make no sense."""
        try:
            plan = self.plan(task, settings)
        except ConfigurationError as error:
            raise ConfigurationError(f"{task.name}: {error}") from error
        if not settings.enabled:
            return
        backend = self.backend(task, settings)
        if plan.expire > backend.promises.longest:
            raise ConfigurationError(
                f"{task.name}: expire={plan.expire:.0f}: {backend.name} keeps no lock "
                f"for more than {backend.promises.longest:.0f} seconds"
            )


def _is_reserved(task: Task, call_plan: CallPlan, published: LockHeader) -> bool:
    """Tell whether the store knows the message: its publisher could write there.

    That is asked only of messages of an older version, and of those that were published
    before a deploy that changed the key.
    """
    key, token = published.key, published.token
    if key is None or not Token.belongs_to(token, published.id):
        return False
    try:
        held = call_plan.backend.get(call_plan.plan.lock.reservation_name(key))
    except LockStoreError:
        return False
    if held is None:
        return False
    return (held.record.token, held.record.task) == (token, task.name)
