"""The name of a task, also of one that is not registered."""

from __future__ import annotations

from celery import Task


def name_of(task: Task) -> str:
    """Return the name of a task, or that of its class if it is not registered."""
    return str(task.name or f"{type(task).__module__}.{type(task).__qualname__}")
