"""Hooks the guard into Celery, which then calls these functions:

1. ``Task.bind``: :func:`_bind_and_guard`, when a task class is bound to its app.
2. ``add_autoretry_behaviour``: :func:`_add_autoretry_and_leave`, when a task is made.
3. ``Celery.send_task``: :func:`_guarded_send_task`, when a message is published.
4. ``Celery.bugreport``: :func:`_report_with_locks`, when somebody asks for a report.
5. ``worker_init``: :func:`_on_worker_init`, which checks the worker's tasks.
6. ``worker_ready``: :func:`_on_worker_ready`, which logs where the locks are.

Binding also hooks the runs of tasks, see :mod:`.run_hooks`.

The guard itself is imported when Celery first calls one of them. Every task is bound
before it runs, and a worker binds its tasks before it forks. So no run imports the
guard, and no child does it again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from celery import Celery, Task, signals
from celery.app import base

from ..signals import connect_once

_OURS = "__unique_sending__"

_bind: Any = vars(Task)["bind"].__func__
_add_autoretry: Any = vars(base)["add_autoretry_behaviour"]


def hook() -> None:
    """Hook Celery; more than once does no harm."""
    setattr(Task, "bind", classmethod(_bind_and_guard))
    setattr(base, "add_autoretry_behaviour", _add_autoretry_and_leave)
    setattr(Celery, "send_task", _guarded_send_task(Celery.send_task))
    setattr(Celery, "bugreport", _report_with_locks(Celery.bugreport))
    connect_once(signals.worker_init, _on_worker_init)
    connect_once(signals.worker_ready, _on_worker_ready)


def _bind_and_guard(task_class: type[Task], app: Celery) -> Any:
    """Bind a task class to its app; install its guard if it has one.

    Every task of every app passes here before it is used: copies of shared tasks, tasks
    made after the app was finalized, and those of a producer that never finalizes.
    """
    from .hooked import bind_and_guard

    return bind_and_guard(_bind, task_class, app)


def _add_autoretry_and_leave(task: Task, **options: Any) -> None:
    """Put ``autoretry_for`` around a task, as Celery does, and the release around it.

    Celery calls this once a task is made and bound.
    """
    from .hooked import leave_if_guarded

    _add_autoretry(task, **options)
    leave_if_guarded(task)


def _guarded_send_task(send_task: Callable[..., Any]) -> Callable[..., Any]:
    if hasattr(send_task, _OURS):
        return send_task

    @functools.cache
    def guarded() -> Callable[..., Any]:
        from .hooked import sending

        return sending(send_task)

    @functools.wraps(send_task)
    def send(app: Celery, *args: Any, **options: Any) -> Any:
        return guarded()(app, *args, **options)

    setattr(send, _OURS, True)
    return send


def _report_with_locks(bugreport: Callable[[Celery], str]) -> Callable[[Celery], str]:
    if hasattr(bugreport, _OURS):
        return bugreport

    @functools.wraps(bugreport)
    def report(app: Celery) -> str:
        from ..operating.bug_report import bug_report

        return f"{bugreport(app)}\n{bug_report(app)}\n"

    setattr(report, _OURS, True)
    return report


def _on_worker_init(sender: Any, **_: Any) -> None:
    from .worker_start import start_worker

    start_worker(sender)


def _on_worker_ready(sender: Any, **_: Any) -> None:
    from .worker_start import report_worker

    report_worker(sender)
