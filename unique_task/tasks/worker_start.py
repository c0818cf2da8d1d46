"""What a worker does when it starts: it checks its tasks, and logs where locks are."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from celery import Celery
from kombu.utils.imports import symbol_by_name

from .. import inspecting  # noqa: F401 - which Celery finds once it is imported
from ..backends.base import Backend
from ..exceptions import LockStoreRefusedError, UniqueError
from ..messages.states import defer_started
from ..operating import commands as _answers  # noqa: F401 - as inspecting
from ..operating.app_tasks import guarded_tasks, stores_of
from ..operating.checks_stores import complaint
from ..operating.doctor import warnings_at_start
from ..options.app_settings import settings_of
from ..options.shadow import NOT_GUARDED, goes_on_in_shadow
from ..options.task_spec import TaskSpec
from ..running.orphans import watched
from ..running.unreadable import Unreadable
from ..waiting import commands  # noqa: F401 - as inspecting
from ..waiting.step import WaitingStep
from .run_hooks import hook_runs

logger = logging.getLogger(__name__)


def start_worker(sender: Any) -> None:
    """Make the tasks of a worker ready; end a worker that cannot guard them."""
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
    app.steps["consumer"].update((Unreadable, WaitingStep))
    for name, spec in guarded_tasks(app):
        task = app.tasks[name]
        _check(task, spec)
        defer_started(task)
    for error in filter(None, map(complaint, _stores(app))):
        # A store that does not answer yet may answer later.
        if isinstance(error, LockStoreRefusedError) and not settings_of(app).shadow:
            raise error


def _check(task: Any, spec: TaskSpec) -> None:
    """Check the options of a task; what is wrong with them ends the worker."""
    try:
        spec.check(task, settings_of(task.app))
    except UniqueError as error:
        if not goes_on_in_shadow(task.app, task.name, error):
            raise


def report_worker(sender: Any) -> None:
    """Log where the locks of a worker are; its log starts here."""
    app = sender.app
    count = len(list(guarded_tasks(app)))
    if not count:
        return
    backends = _stores(app)
    names = ", ".join(sorted(backend.name for backend in backends))
    if settings_of(app).shadow:
        logger.warning("%s, by locks in %s", NOT_GUARDED, names)
    elif not backends:
        logger.warning("unique_enabled is False: no task is guarded against duplicates")
        return
    else:
        logger.info("locks of %d unique tasks are in %s", count, names)
    for warning in _warnings(app, backends):
        logger.warning("%s", warning)
    for error in filter(None, map(complaint, backends)):
        logger.error("the store of locks is out of order: %s", error)


def _warnings(app: Celery, backends: Iterable[Backend]) -> list[str]:
    try:
        return warnings_at_start(app, backends)
    except UniqueError:
        if not settings_of(app).shadow:  # there it has been logged
            raise
        return []


def _stores(app: Celery) -> list[Backend]:
    """Return the backends of a worker's tasks; none if all guards are switched off."""
    guarded = any(guarded_tasks(app)) and settings_of(app).enabled
    try:
        return list(stores_of(app).values()) if guarded else []
    except UniqueError:
        if not settings_of(app).shadow:  # there it has been logged
            raise
        return []
