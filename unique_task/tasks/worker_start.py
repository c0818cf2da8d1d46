"""What a worker does when it starts: it checks its tasks, and logs where locks are."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from celery import Celery, Task
from celery.backends.rpc import RPCBackend
from kombu.utils.imports import symbol_by_name

from ..backends.base import Backend
from ..backends.findings import Level
from ..exceptions import LockStoreError, LockStoreRefusedError, UniqueError
from ..messages.states import apps_with_events, defer_started
from ..options.app_settings import backend_of, settings_of
from ..options.guarded_class import guarded_class_of, spec_of
from ..options.policies import shares_result
from ..running.orphans import watched
from ..running.unreadable import Unreadable
from ..waiting import commands  # noqa: F401 - which Celery finds once it is imported
from ..waiting.step import WaitingRoom
from .run_hooks import hook_runs

logger = logging.getLogger(__name__)


def start_worker(sender: Any) -> None:
    """Make the tasks of a worker ready; end a worker that cannot guard them."""
    if sender.task_events:
        apps_with_events.add(sender.app)
    # Celery logs what a receiver raises and goes on, except for a SystemExit.
    try:
        _make_ready(sender.app)
    except UniqueError as error:
        raise SystemExit(f"unique_task: {error}") from error
    except Exception as error:
        logger.exception("the tasks of this worker cannot be guarded")
        raise SystemExit(f"unique_task: {type(error).__name__}: {error}") from error


def _make_ready(app: Celery) -> None:
    hook_runs()  # all tasks may have been bound before this library was imported
    for task in app.tasks.values():
        # Also tasks without a guard: their publisher may have reserved a lock.
        setattr(task, "Request", watched(symbol_by_name(task.Request)))
    app.steps["consumer"].update((Unreadable, WaitingRoom))
    for task in _guarded_tasks(app):
        settings = settings_of(app)
        spec_of(task).check(task, settings)
        defer_started(task)
    for error in filter(None, map(_complaint, _stores(app))):
        # A store that does not answer yet may answer later.
        if isinstance(error, LockStoreRefusedError):
            raise error


def report_worker(sender: Any) -> None:
    """Log where the locks of a worker are; its log starts here."""
    app = sender.app
    tasks = _guarded_tasks(app)
    if not tasks:
        return
    backends = _stores(app)
    if not backends:
        logger.warning("unique_enabled is False: no task is guarded against duplicates")
        return
    names = ", ".join(sorted(backend.name for backend in backends))
    logger.info("locks of %d unique tasks are in %s", len(tasks), names)
    for warning in sorted({one for backend in backends for one in _warnings(backend)}):
        logger.warning("%s", warning)
    _warn_of_unshared(tasks)
    for error in filter(None, map(_complaint, backends)):
        logger.error("the store of locks is out of order: %s", error)


def _warn_of_unshared(tasks: list[Task]) -> None:
    """Warn of tasks whose duplicates cannot wait for the holder's result."""
    unshared = [task.name for task in tasks if _cannot_share(task)]
    if unshared:
        logger.warning(
            "rpc:// cannot share a result: the caller of a duplicate of %s gets an "
            "error in place of the holder's result",
            ", ".join(sorted(unshared)),
        )


def _cannot_share(task: Task) -> bool:
    """Tell whether the caller of a duplicate would get a result that never comes."""
    if task.ignore_result or not isinstance(task.backend, RPCBackend):
        return False
    plan = spec_of(task).plan(task, settings_of(task.app))
    return plan.lock.taken_at_publish and shares_result(plan.publish_policy)


def _warnings(backend: Backend) -> list[str]:
    """Return the warnings of a store: what may end a lock before its time."""
    try:
        found = backend.findings()
    except LockStoreError:  # another line reports that it is out of order
        found = Backend.findings(backend)
    warnings = [one for one in found if one.level is Level.WARN and one.at_start]
    return [str(replace(one, where=backend.name)) for one in warnings]


def _complaint(backend: Backend) -> LockStoreError | None:
    """Return why the store cannot keep locks now; None if it can."""
    try:
        backend.check()
    except LockStoreError as error:
        return error
    return None


def _stores(app: Celery) -> set[Backend]:
    """Return the backends of a worker's tasks; none if all guards are switched off."""
    settings = settings_of(app)
    if not settings.enabled:
        return set()
    options = [spec_of(task).options.backend for task in _guarded_tasks(app)]
    return {backend_of(app, settings, option) for option in options}


def _guarded_tasks(app: Celery) -> list[Task]:
    return [task for task in app.tasks.values() if guarded_class_of(task) is not None]
