"""What is said of the calls of one task: their keys, and how they are guarded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from celery import Task
from kombu.serialization import dumps, loads, prepare_accept_content

from .arguments import Parameters
from .backends.base import Backend
from .call_options import NOTHING_SAID, CallOptions
from .durations import seconds
from .exceptions import ConfigurationError
from .keys import Key, digest_of
from .lock_header import LockHeader
from .lock_types import lock_type
from .options import Options
from .plan import Plan, plan_of
from .settings import Settings, backend_of, settings_of


@dataclass
class Terms:
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


class Rules:
    """The rules for one task.

    Arguments:
        options: what ``@unique`` says of the task.
        parameters: of the task, without ``self``.

    Raises:
        ConfigurationError: if ``key=`` does not fit the parameters.
    """

    def __init__(self, options: Options, parameters: Parameters) -> None:
        self.options = options
        self.parameters = parameters
        self._key = Key(options.key, parameters)
        self._expire = (
            None if options.expire is None else seconds("expire", options.expire)
        )
        self._planned: tuple[Settings, float, Plan] | None = None

    @property
    def computed(self) -> bool:
        """True if code of the user's makes the keys."""
        return callable(self.options.key)

    def namespace(self, task: Task) -> str:
        """Return what tasks share whose locks `task` shares."""
        return self.options.namespace or str(task.name)

    def digest(self, task: Task, args: Any, kwargs: Any) -> str:
        """Return the key of a call of `task` with these arguments."""
        return self._key.digest(self.namespace(task), args, kwargs)

    def digest_of(self, task: Task, value: Any) -> str:
        """Return the key that stands for what a ``key=`` callable would return."""
        return digest_of(self.namespace(task), value)

    def sent_digest(
        self, task: Task, args: Any, kwargs: Any, serializer: str | None
    ) -> str:
        """Return the key of a call that is about to be sent.

        Code of the user's sees what the worker's would: what the serializer makes of
        the arguments.
        """
        if self.computed:
            name = serializer or task.serializer or task.app.conf.task_serializer
            kind, encoding, data = dumps((args, kwargs), name)
            accept = prepare_accept_content([kind])
            args, kwargs = loads(data, kind, encoding, accept=accept)
        return self.digest(task, args, kwargs)

    def expire(self, task: Task, settings: Settings) -> float:
        """Return how many seconds a lock of `task` stands when nothing renews it."""
        return settings.expire if self._expire is None else self._expire

    def plan(
        self, task: Task, settings: Settings, said: CallOptions = NOTHING_SAID
    ) -> Plan:
        """Return how a call of `task` is guarded, given what the call says of that.

        Raises:
            ConfigurationError: if options or settings make no sense.
        """
        expire = self.expire(task, settings)
        if said.options:
            options = said.over(self.options)
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

    def terms(
        self,
        task: Task,
        published: LockHeader | None,
        args: Any,
        kwargs: Any,
        *,
        eager: bool = False,
    ) -> Terms | None:
        """Return how a call is guarded; None if it is not.

        Arguments:
            published: what came with its message.

        Raises:
            ConfigurationError: if options or settings make no sense.
            UniqueKeyError: if the arguments cannot be made a key.
        """
        settings = settings_of(task.app)
        if published is not None and published.namespace != self.namespace(task):
            published = published.elsewhere
        said = NOTHING_SAID if published is None else published.said
        reserved = published is not None and published.token is not None
        if not said.enabled or not (settings.enabled or reserved):
            return None
        plan = self.plan(task, settings, said)
        if published is not None and published.lock not in (None, plan.lock.name):
            # It was published before a deploy that changed it.
            plan = replace(plan, lock=lock_type(published.lock))
        backend = self.backend(task, settings, eager=eager)
        key = None if published is None else published.key
        if key is None and said.has_key:
            key = self.digest_of(task, said.key)
        key = key or self.digest(task, args, kwargs)
        return Terms(plan, backend, key, published, settings.enabled)

    def check(self, task: Task, settings: Settings) -> None:
        """Raise ConfigurationError if options or settings make no sense."""
        plan = self.plan(task, settings)
        if not settings.enabled:
            return
        backend = self.backend(task, settings)
        if plan.expire > backend.promises.longest:
            raise ConfigurationError(
                f"{task.name}: expire={plan.expire:.0f}: {backend.name} keeps no lock "
                f"for more than {backend.promises.longest:.0f} seconds"
            )
