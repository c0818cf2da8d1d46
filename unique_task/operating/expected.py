"""What the tasks of an app may count and hold, before any of them does."""

from __future__ import annotations

from collections.abc import Iterator, Set

from celery import Celery

from ..counting import names
from ..options.app_settings import settings_of
from ..options.plan import Plan
from ..options.policies import kind_of
from .app_tasks import guarded_tasks

#: Counters that each task has.
_COUNTERS = (
    *(names.RUNS, names.HELD_SECONDS, names.WAITS),
    *(names.WAITED, names.WAITED_SECONDS, names.CACHED),
    *(names.REPLACED, names.LOST, names.STORE_ERRORS),
)

#: States in which each task has a holder now and then.
_STATES = ("pending", "running")


def expected_counters(app: Celery, stores: Set[str]) -> Iterator[tuple[str, str]]:
    """Yield the task and the counter of each that a task has in one of these stores.

    Arguments:
        stores: their fingerprints.
    """
    counter_at = names.shadow if settings_of(app).shadow else names.duplicates
    for name, plan in _tasks(app, stores):
        duplicates = (counter_at(policy, at) for policy, at in _policies(plan))
        for counter in (*_COUNTERS, *duplicates):
            yield name, counter


def expected_states(app: Celery, stores: Set[str]) -> Iterator[tuple[str, str]]:
    """Yield the task and the state of each holder that it has now and then."""
    for name, _ in _tasks(app, stores):
        for state in _STATES:
            yield name, state


def _tasks(app: Celery, stores: Set[str]) -> Iterator[tuple[str, Plan]]:
    settings = settings_of(app)
    for name, spec in guarded_tasks(app):
        task = app.tasks[name]
        if spec.backend(task, settings).fingerprint in stores:
            yield name, spec.plan(task, settings)


def _policies(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield the kind of each policy of a task, and where it meets duplicates."""
    yield kind_of(plan.run_policy), "run"
    if plan.lock.taken_at_publish:
        yield kind_of(plan.publish_policy), "publish"
