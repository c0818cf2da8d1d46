"""Hooks the guard into Celery, which then calls these functions:

1. ``Task.bind``: :func:`_bind_and_guard`, when a task class is bound to its app.
2. ``add_autoretry_behaviour``: :func:`_add_autoretry_and_leave`, when a task is made.
3. ``Celery.send_task``: :func:`.guarded_send_task`, when a message is published.
4. ``ExceptionInfo``: :func:`.exception_info`, when Celery reports an exception.
5. signals of tasks: :func:`.watch_messages`, for messages that end outside the guard.
6. ``worker_init``: :func:`_on_worker_init`, which checks the worker's tasks.
7. ``worker_ready``: :func:`_on_worker_ready`, which logs where the locks are.
"""

from __future__ import annotations

import logging
from typing import Any

from celery import Celery, Task, signals
from celery.app import base, trace
from celery.backends.rpc import RPCBackend
from kombu.utils.imports import symbol_by_name

from ..backends.base import Backend
from ..exceptions import LockStoreError, LockStoreRefusedError, UniqueError
from ..messages.states import apps_with_events, defer_started
from ..options.app_settings import backend_of, settings_of
from ..options.guarded_class import (
    guarded_class_in,
    guarded_class_of,
    install_guard,
    installer_in,
    spec_of,
)
from ..options.lock_types import LOCK_TYPES
from ..options.policies import shares_result
from ..options.settings import DEFAULTS
from ..publishing.send_task import guarded_send_task
from ..running.ended_calls import exception_info
from ..running.orphans import watched
from ..running.redelivery import Unreadable, watch_messages
from ..signals import connect_once
from .autoretry import leave_after_autoretry
from .lazy_tasks import make_task

logger = logging.getLogger(__name__)

_bind: Any = vars(Task)["bind"].__func__
_add_autoretry: Any = vars(base)["add_autoretry_behaviour"]


def _bind_and_guard(task_class: type[Task], app: Celery) -> Any:
    """Bind a task class to its app, as Celery does; install its guard if it has one.

    Every task of every app passes here before it is used: copies of shared tasks, tasks
    made after the app was finalized, and those of a producer that never finalizes.
    """
    app = _made_for(task_class) or app
    # First: a class that is not bound yet cannot be called.
    install_guard(task_class, app)
    bound = _bind(task_class, app)
    _warn_of_replace(task_class, app)
    return bound


def _made_for(task_class: type[Task]) -> Celery | None:
    """Return the app that a class was made for, as long as it is not bound.

    Celery registers a task before it binds it. A thread that meets an unbound task
    binds it to the app that is current there. A base class itself has no app::

        one thread   registers the task of its app               binds it
        another                          delay(): binds it to the current app
    """
    made_for = vars(task_class).get("app")
    bound = "__bound__" in vars(task_class)
    return made_for if isinstance(made_for, Celery) and not bound else None


def _warn_of_replace(task_class: type[Task], app: Celery) -> None:
    """Warn of ``replace`` with a lock type that takes no lock at publish.

    This is no error yet: the settings may still change.
    """
    guarded_class = guarded_class_in(task_class)
    if guarded_class is None or not guarded_class.options.needs_lock_at_publish:
        return
    name = app.conf.get("unique_lock") or DEFAULTS["unique_lock"]
    if name in LOCK_TYPES and not LOCK_TYPES[name].taken_at_publish:
        logger.warning(
            '%s: on_duplicate="replace" with lock=%r, the default: a message in the '
            'queue has no lock to take over; use lock="until_executing"',
            *(task_class.name, name),
        )


def _add_autoretry_and_leave(task: Task, **options: Any) -> None:
    """Put ``autoretry_for`` around a task, as Celery does, and the release around it.

    Celery calls this once a task is made and bound.
    """
    _add_autoretry(task, **options)
    if installer_in(getattr(task, "_orig_run", None)) is not None:
        leave_after_autoretry(task)


def hook() -> None:
    """Hook Celery; more than once does no harm."""
    setattr(Task, "bind", classmethod(_bind_and_guard))
    setattr(base, "add_autoretry_behaviour", _add_autoretry_and_leave)
    setattr(Celery, "send_task", guarded_send_task(Celery.send_task, make_task))
    setattr(trace, "ExceptionInfo", exception_info)
    watch_messages()
    connect_once(signals.worker_init, _on_worker_init)
    connect_once(signals.worker_ready, _on_worker_ready)


def _on_worker_init(sender: Any, **_: Any) -> None:
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
    for task in app.tasks.values():
        # Also tasks without a guard: their publisher may have reserved a lock.
        setattr(task, "Request", watched(symbol_by_name(task.Request)))
    app.steps["consumer"].add(Unreadable)
    for task in _guarded_tasks(app):
        settings = settings_of(app)
        spec_of(task).check(task, settings)
        defer_started(task)
    for error in filter(None, map(_complaint, _stores(app))):
        # A store that does not answer yet may answer later.
        if isinstance(error, LockStoreRefusedError):
            raise error


def _on_worker_ready(sender: Any, **_: Any) -> None:
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
        logger.warning(warning)
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
        return backend.warnings()
    except LockStoreError:  # another line reports that it is out of order
        return Backend.warnings(backend)


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
