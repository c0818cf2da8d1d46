"""The lock configuration of one task: how its key is computed, which plan applies."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from celery import Task

from ..backends.base import Backend
from ..backends.shadow import shadow_of
from ..durations import seconds
from ..exceptions import ConfigurationError
from ..keys.arguments import Parameters
from ..keys.digest import digest_of, digest_of_source
from ..keys.key_option import key_from_option
from ..messages.lock_header import LockHeader
from ..messages.sent_arguments import as_sent
from .app_settings import backend_of, settings_of
from .call_options import NO_CALL_OPTIONS, CallOptions, call_options_in
from .known_message import is_reserved, names_known_lock
from .limit import limit_of_call
from .lock_types import lock_type_in
from .plan import CallPlan, Plan, plan_of
from .settings import Settings
from .store_fit import check_keeps_several, check_store_fits
from .task_name import name_of
from .task_options import Options


class TaskSpec:
    """The lock configuration of one task: how a key is computed, which plan applies.

    Arguments:
        options: of ``@unique``.
        parameters: of the task, without ``self``.

    Raises:
        ConfigurationError: if ``key=`` does not fit the parameters.
    """

    def __init__(self, options: Options, parameters: Parameters) -> None:
        self.options = options
        self.parameters = parameters
        self._key = key_from_option(options.key, parameters)
        expire = options.expire
        self._expire = None if expire is None else seconds("expire", expire)
        self._planned: tuple[Settings, float, Plan] | None = None

    @property
    def computed(self) -> bool:
        """True if the user's code computes the keys."""
        return self._key.computed

    def key_rule(self, task: Task) -> object:
        """Return what makes the keys: the option ``key=``, or the user's function."""
        return self.options.key

    def namespace(self, task: Task) -> str:
        """Return the namespace of the locks of `task`."""
        return self.options.namespace or task.name or name_of(task)

    def digest(self, task: Task, args: Any, kwargs: Any) -> str:
        """Return the key of a call of `task` with these arguments."""
        return self._key.digest(self.namespace(task), args, kwargs)

    def digest_of(self, task: Task, value: Any) -> str:
        """Return the key for what a ``key=`` callable returned, or a caller gave."""
        return digest_of(self.namespace(task), value)

    def source(self, task: Task, args: Any, kwargs: Any) -> str:
        """Return the source of the key of a call: what it is made of."""
        return self._key.source(args, kwargs)

    def sent_source(
        self, task: Task, args: Any, kwargs: Any, serializer: str | None
    ) -> str:
        """Return the source of the key of a call that is about to be sent."""
        return self.source(task, *as_sent(task, args, kwargs, serializer))

    def limit(
        self, task: Task, plan: Plan, backend: Backend, args: Any, kwargs: Any
    ) -> int:
        """Return how many attempts may hold the key of a call at once.

        Raises:
            ConfigurationError: if the store cannot keep several holders.
            UniqueLimitError: if the user's callable returns no limit.
        """
        check_keeps_several(name_of(task), plan.limit, backend)
        return limit_of_call(plan.limit, self.parameters, args, kwargs)

    def expire(self, task: Task, settings: Settings) -> float:
        """Return how many seconds a lock of `task` stands when nothing renews it."""
        return settings.expire if self._expire is None else self._expire

    def plan(
        self,
        task: Task,
        settings: Settings,
        call_options: CallOptions = NO_CALL_OPTIONS,
    ) -> Plan:
        """Return the plan for a call of `task` with these call options.

        Raises:
            ConfigurationError: if options and settings do not fit together.
        """
        if call_options.options:
            plan = self._overridden(task, settings, call_options)
        else:
            plan = self._plan(task, settings)
        return plan.for_successor() if call_options.successor else plan

    def _overridden(
        self, task: Task, settings: Settings, call_options: CallOptions
    ) -> Plan:
        options = call_options.override(self.options)
        if "expire" in (call_options.options or ()):
            expire = seconds("expire", options.expire)
        else:
            expire = self.expire(task, settings)
        return plan_of(options, settings, expire)

    def _plan(self, task: Task, settings: Settings) -> Plan:
        expire, planned = self.expire(task, settings), self._planned
        if planned is None or planned[0] is not settings or planned[1] != expire:
            plan = plan_of(self.options, settings, expire)
            planned = self._planned = settings, expire, plan
        return planned[2]

    def backend(self, task: Task, settings: Settings, eager: bool = False) -> Backend:
        """Return the backend for the locks of `task`.

        Arguments:
            eager: use locks in memory if there is no other backend.

        Raises:
            ConfigurationError: if there is none.
        """
        own = self.options.backend
        backend = backend_of(task.app, settings, own, eager=eager)
        return shadow_of(backend) if settings.shadow else backend

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
            published: the lock header of its message, if it has one.

        Raises:
            ConfigurationError: if options and settings do not fit together.
            UniqueKeyError: if the arguments cannot be made a key.
            UniqueLimitError: if they cannot be made a limit.
        """
        settings = settings_of(task.app)
        if published is not None:
            call = args, kwargs
            return self._published_plan(task, settings, published, call, eager)
        if not settings.enabled:
            return None
        plan, backend = self._plan(task, settings), self.backend(task, settings, eager)
        key = self.digest(task, args, kwargs)
        limit = self.limit(task, plan, backend, args, kwargs)
        return CallPlan(plan, backend, key, None, True, limit, settings.shadow)

    def _published_plan(
        self,
        task: Task,
        settings: Settings,
        published: LockHeader,
        call: tuple[Any, Any],
        eager: bool,
    ) -> CallPlan | None:
        """Return how a call is guarded whose message has a lock header."""
        if settings.shadow:
            published = published.in_shadow
        if not names_known_lock(published, self.namespace(task)):
            published = published.elsewhere  # the options of the call still count
        call_options = call_options_in(published)
        reserved = published.token is not None
        if not call_options.enabled or not (settings.enabled or reserved):
            return None
        plan = self.plan(task, settings, call_options)
        lock = lock_type_in(published)
        if lock is not None and lock.name != plan.lock.name:
            # The message was published before a deploy that changed the lock type.
            plan = replace(plan, lock=lock)
        backend = self.backend(task, settings, eager)
        call_plan = CallPlan(plan, backend, "", published, settings.enabled)
        call_plan.key = self._key_of(task, call_plan, published, call_options, call)
        if settings.enabled:
            call_plan.limit = self.limit(task, plan, backend, *call)
        call_plan.shadow = settings.shadow
        return call_plan

    def _key_of(
        self,
        task: Task,
        call_plan: CallPlan,
        published: LockHeader,
        call_options: CallOptions,
        call: tuple[Any, Any],
    ) -> str:
        """Return the key of a call: that of its message, if it can be trusted.

        A key does not show what it was made of, and whoever can publish can write the
        key of another task into a header. So a key counts if the message carries its
        source, if it follows from the arguments, or if the store knows the message.
        """
        if published.source is not None:
            return digest_of_source(self.namespace(task), published.source)
        if call_options.has_key:
            return self.digest_of(task, call_options.key)
        if published.key is None:
            return self.digest(task, *call)
        if not self.computed and self._follows(task, published.key, call):
            return published.key
        if is_reserved(task, call_plan.plan, call_plan.backend, published):
            return published.key
        return self.digest(task, *call)

    def _follows(self, task: Task, key: str, call: tuple[Any, Any]) -> bool:
        """Tell whether a key follows from the arguments of a call."""
        try:
            return self.digest(task, *call) == key
        except (TypeError, ValueError):  # as before a deploy that changed the task
            return False

    def check(self, task: Task, settings: Settings) -> None:
        """Raise ConfigurationError if options and settings do not fit together."""
        try:
            plan = self.plan(task, settings)
        except ConfigurationError as error:
            raise ConfigurationError(f"{task.name}: {error}") from error
        if settings.enabled:
            check_store_fits(name_of(task), plan, self.backend(task, settings))
