"""The result of a duplicate that does not run."""

from __future__ import annotations

from typing import Any, NoReturn
from weakref import WeakSet

from celery import Celery, Task, states
from celery.exceptions import Ignore, TaskRevokedError

from .requeue import ignores_result

#: Apps whose worker was started with ``-E``.
apps_with_events: WeakSet[Celery] = WeakSet()


def settle_and_ignore(task: Task, request: Any, reason: str) -> NoReturn:
    """Settle the task as REVOKED and end this run of it.

    Along its chain and its chord too, so that no ``.get()``, group or chord waits for
    ever; ``mark_as_revoked`` would leave the rest of a chain pending.

    Raises:
        celery.exceptions.Ignore: always.
    """
    task.backend.mark_as_failure(
        request.id,
        TaskRevokedError(reason),
        request=request,
        store_result=not ignores_result(task, request),
        call_errbacks=False,
        state=states.REVOKED,
    )
    # To send an event is to publish a message, so only where somebody listens.
    if task.app in apps_with_events or task.app.conf.worker_send_task_events:
        task.send_event("task-revoked", terminated=False, signum=None, expired=False)
    raise Ignore(reason)
