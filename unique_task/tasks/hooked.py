"""What Celery calls of the guard to make and publish tasks, see :mod:`.hooks`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from celery import Celery, Task

from ..options.guarded_class import guarded_class_in, install_guard, installer_in
from ..options.lock_types import LOCK_TYPES
from ..options.settings import DEFAULTS
from ..publishing.send_task import guarded_send_task
from .autoretry import leave_after_autoretry
from .lazy_tasks import make_task
from .run_hooks import hook_runs

logger = logging.getLogger(__name__)


def bind_and_guard(
    bind: Callable[..., Any], task_class: type[Task], app: Celery
) -> Any:
    """Bind a task class to its app by `bind`, Celery's own; install its guard."""
    hook_runs()
    app = _made_for(task_class) or app
    # First: a class that is not bound yet cannot be called.
    install_guard(task_class, app)
    bound = bind(task_class, app)
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


def leave_if_guarded(task: Task) -> None:
    """Let a guarded task with ``autoretry_for`` release its lock after that."""
    if installer_in(getattr(task, "_orig_run", None)) is not None:
        leave_after_autoretry(task)


def sending(send_task: Callable[..., Any]) -> Callable[..., Any]:
    """Return what stands in for ``Celery.send_task``."""
    return guarded_send_task(send_task, make_task)
