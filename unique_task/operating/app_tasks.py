"""The guarded tasks of an app, their stores, and one call of a task."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from celery import Celery, Task
from kombu.exceptions import DecodeError, EncodeError

from ..backends.base import Backend
from ..exceptions import ConfigurationError, UniqueError
from ..keys.arguments import Misfit
from ..messages.sent_arguments import as_sent
from ..options.app_settings import settings_of
from ..options.guarded_class import guarded_class_of
from ..options.plan import Plan
from ..options.settings import Settings
from ..options.task_spec import TaskSpec


class UnknownCallError(UniqueError, LookupError):
    """The app has no such guarded task, or the arguments do not fit it."""


@dataclass(frozen=True)
class Call:
    """One call of a guarded task, as its worker would get it."""

    task: Task
    spec: TaskSpec
    settings: Settings
    plan: Plan
    backend: Backend
    args: Any
    kwargs: Any
    key: str
    limit: int

    @classmethod
    def of(cls, app: Celery, name: str, args: Any, kwargs: Any) -> Call:
        """Return the call of the task of that name with these arguments.

        Raises:
            UnknownCallError: if there is no such task, or they do not fit it, or cannot
                be sent.
            ConfigurationError: if options and settings do not fit together.
            UniqueKeyError: if the arguments cannot be made a key.
            UniqueLimitError: if they cannot be made a limit.
        """
        task, spec = _found(app, name)
        args, kwargs = _sent(task, args, kwargs)
        settings = settings_of(app)
        plan, backend = spec.plan(task, settings), spec.backend(task, settings)
        try:
            key = spec.digest(task, args, kwargs)
            limit = spec.limit(task, plan, backend, args, kwargs)
        except Misfit as error:
            raise UnknownCallError(
                f"{name}: the arguments do not fit: {error}"
            ) from error
        return cls(task, spec, settings, plan, backend, args, kwargs, key, limit)


def _sent(task: Task, args: Any, kwargs: Any) -> Any:
    try:
        return as_sent(task, args, kwargs, None)
    # A person may write what a serializer takes for a date that it cannot read.
    except (EncodeError, DecodeError) as error:
        raise UnknownCallError(
            f"{task.name}: the arguments cannot be sent: {error}"
        ) from error


def _found(app: Celery, name: str) -> tuple[Task, TaskSpec]:
    guarded = dict(guarded_tasks(app))
    if name in guarded:
        return app.tasks[name], guarded[name]
    if name in app.tasks:
        raise UnknownCallError(f"the task {name!r} has no @unique, so it has no locks")
    known = ", ".join(sorted(guarded)) or "none"
    raise UnknownCallError(f"the app has no task {name!r}; its unique tasks: {known}")


def guarded_tasks(app: Celery) -> Iterator[tuple[str, TaskSpec]]:
    """Yield the name and the lock configuration of each guarded task."""
    for name, task in sorted(app.tasks.items()):
        guarded = guarded_class_of(task)
        if guarded is not None:
            yield name, guarded.spec


def plan_of_task(app: Celery, name: str) -> Plan | None:
    """Return the plan of a task; None if the app has no such guarded task."""
    task: Any = app.tasks.get(name)
    guarded = guarded_class_of(task)
    return None if guarded is None else guarded.spec.plan(task, settings_of(app))


def stores(app: Celery) -> list[str]:
    """Return the names of the stores where the app's locks are.

    Raises:
        ConfigurationError: if the app has no unique tasks, or no store.
    """
    return [store.name for store in stores_of(app).values()]


def stores_of(app: Celery) -> dict[str, Backend]:
    """Return the stores of the app's guarded tasks, by their fingerprints.

    Raises:
        ConfigurationError: if the app has none.
    """
    settings = settings_of(app)
    found: dict[str, Backend] = {}
    for name, spec in guarded_tasks(app):
        backend = spec.backend(app.tasks[name], settings)
        found.setdefault(backend.fingerprint, backend)
    if not found:
        raise ConfigurationError(
            "the app has no unique tasks: none of its tasks has @unique"
        )
    return found
