"""Duplicates are told of: to the log, to the signal's receivers, and by a count."""

from __future__ import annotations

import logging
from collections import Counter

from .duplicate import Duplicate
from .signals import task_duplicate, tell

logger = logging.getLogger(__name__)

#: How many duplicates each task has met in this process, by the task's name.
duplicates: Counter[str] = Counter()


def tell_duplicate(duplicate: Duplicate, task_id: str | None) -> None:
    """Tell of a duplicate.

    Arguments:
        task_id: of the duplicate itself; None for a direct call.
    """
    name, owner = duplicate.task.name, duplicate.owner
    duplicates[name] += 1
    logger.info("%s[%s] is a duplicate of %s", name, task_id, owner or "an earlier run")
    told = {"key": duplicate.key, "owner": owner, "task_id": task_id}
    tell(task_duplicate, duplicate.task, **told)
