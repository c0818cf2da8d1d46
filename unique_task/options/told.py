"""Reports a duplicate: log line, signal, counter."""

from __future__ import annotations

import logging
from collections import Counter

from celery import Task

from ..signals import task_duplicate, tell
from .duplicate import Duplicate

# Documented, and so not the name of a module, which may move.
logger = logging.getLogger("unique_task.duplicates")

#: How many duplicates each task has met in this process, by the task's name.
duplicates: Counter[str] = Counter()

#: What becomes of a duplicate: the values of ``outcome`` of ``task_duplicate``.
DROPPED = "dropped"
ANSWERED = "answered"
WAITS = "waits"
FAILED = "failed"
REPLACED = "replaced"


def report(duplicate: Duplicate, task_id: str | None, outcome: str) -> None:
    """Report a duplicate.

    Arguments:
        task_id: of the duplicate itself; None for a direct call.
        outcome: what becomes of it.
    """
    name, owner = duplicate.task.name, duplicate.owner
    duplicates[name] += 1
    if outcome == REPLACED:
        logger.info("%s[%s] was replaced by %s", name, task_id, owner or "a later call")
    else:
        by = owner or "an earlier run"
        logger.info("%s[%s] is a duplicate of %s", name, task_id, by)
    tell(
        task_duplicate,
        duplicate.task,
        key=duplicate.key,
        owner=owner,
        task_id=task_id,
        outcome=outcome,
        at=duplicate.at,
    )


def warn_of_itself(task: Task, task_id: str | None, owner: str) -> None:
    """Warn of a duplicate of the task in whose body it was sent.

    Most often that was to be the next run, which nobody will send again.
    """
    logger.warning(
        "%s[%s] is dropped: it was sent in the body of %s, which holds its key. For a "
        'next run of the task, send it with apply_async(..., unique="successor"), or '
        "call current_lock().release() before",
        *(task.name, task_id, owner),
    )
