"""Where Celery is hooked: tasks in the making, workers at their start."""

from __future__ import annotations

import logging
from typing import Any

from celery import Celery, Task, signals

from .decorator import install_pending
from .exceptions import ConfigurationError
from .settings import backend_of, settings_of
from .settle import tells_of_tasks
from .wrapping import GUARDED

logger = logging.getLogger(__name__)

_bind: Any = vars(Task)["bind"].__func__


def _bind_and_guard(task_class: type[Task], app: Celery) -> Any:
    """Bind a task class to its app, as Celery does, and guard it if it is to be.

    Every task of every app passes here before it is used: copies of shared tasks, tasks
    made after the app was finalized, and those of a producer that never finalizes.
    """
    bound = _bind(task_class, app)
    install_pending(task_class, app)
    return bound


def hook() -> None:
    """Hook Celery; more than once does no harm."""
    setattr(Task, "bind", classmethod(_bind_and_guard))
    signals.worker_init.connect(_on_worker_init, dispatch_uid="unique_task")


def _on_worker_init(sender: Any = None, **_: Any) -> None:
    """Tell where the locks of this worker live, or end it with what has to be set."""
    app = sender.app
    tasks = [task for task in app.tasks.values() if hasattr(task, GUARDED)]
    if not tasks:
        return
    if sender.task_events:
        tells_of_tasks.add(app)
    try:
        _tell_of_locks(app, tasks)
    except ConfigurationError as error:
        # Celery logs and forgets what a receiver raises, but for this.
        raise SystemExit(f"unique_task: {error}") from error


def _tell_of_locks(app: Celery, tasks: list[Task]) -> None:
    settings = settings_of(app)
    if not settings.enabled:
        logger.warning("unique_enabled is False: no task is guarded against duplicates")
        return
    for task in tasks:
        getattr(task, GUARDED).guard.check(task)
    backends = {
        backend_of(app, settings, getattr(task, GUARDED).options.backend)
        for task in tasks
    }
    names = ", ".join(sorted(backend.name for backend in backends))
    logger.info("locks of %d unique tasks are in %s", len(tasks), names)
    if not all(backend.shared for backend in backends):
        logger.warning(
            "locks in memory hold within one process: duplicates in other processes, "
            "such as the children of a prefork pool, are not seen; set unique_backend"
        )
