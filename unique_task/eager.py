"""Eager calls, ``apply()``, that say something of their guard."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from celery import Task
from kombu.utils.uuid import uuid

from .call_options import CallOptions
from .keys import source_of
from .lock_header import LockHeader
from .messages import LOCK_HEADER
from .results import marked
from .rules import Rules


def guarded_apply(
    apply: Callable[..., Any], rules_of: Callable[[Task], Rules]
) -> Callable[..., Any]:
    """Wrap ``Task.apply``, so that it takes ``unique=`` and ``unique_key=``."""

    @functools.wraps(apply)
    def guarded(task: Task, *args: Any, **options: Any) -> Any:
        said = CallOptions.taken(options)
        if said:
            task_id = options["task_id"] = options.get("task_id") or uuid()
            rules = rules_of(task)
            published = LockHeader(
                str(task_id),
                "",
                rules.namespace(task),
                own_key=said.has_key,
                source=source_of(said.key) if said.has_key else None,
                unique=said.header(),
            )
            headers = options.get("headers") or {}
            options["headers"] = {**headers, LOCK_HEADER: published.header()}
        return marked(apply(task, *args, **options), duplicate=False)

    return guarded
