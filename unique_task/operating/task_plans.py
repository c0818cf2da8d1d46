"""The guarded tasks of an app, each with its lock type and its policies."""

from __future__ import annotations

from dataclasses import dataclass

from celery import Celery

from ..options.app_settings import settings_of
from .app_tasks import guarded_tasks
from .wording import policy_name


@dataclass(frozen=True)
class TaskPlan:
    """How the calls of one task are guarded.

    Attributes:
        task: its name.
        store: name of the store of its locks.
        lock: the lock type.
        limit: how many may hold a key at once; None if that depends on the arguments.
        at_publish: the policy for duplicates there, as a user writes it.
        at_run: the policy for duplicates there.
    """

    task: str
    store: str
    lock: str
    limit: int | None
    at_publish: str
    at_run: str


def tasks(app: Celery) -> list[TaskPlan]:
    """Return how each guarded task of an app is guarded, by name; no store is asked.

    Raises:
        ConfigurationError: if options and settings do not fit together.
    """
    settings, found = settings_of(app), []
    for name, spec in guarded_tasks(app):
        plan = spec.plan(app.tasks[name], settings)
        found.append(
            TaskPlan(
                task=name,
                store=spec.backend(app.tasks[name], settings).name,
                lock=plan.lock.name,
                limit=plan.limit if isinstance(plan.limit, int) else None,
                at_publish=policy_name(plan.publish_policy),
                at_run=policy_name(plan.run_policy),
            )
        )
    return found
