"""Tells whether this version and the store know a message, to trust its key."""

from __future__ import annotations

from celery import Task

from ..backends.base import Backend
from ..backends.record import Token
from ..exceptions import LockStoreError
from ..messages.lock_header import LockHeader
from .lock_types import lock_type_in
from .plan import Plan


def names_known_lock(published: LockHeader, namespace: str) -> bool:
    """Tell whether this version can name the lock that a message reserved."""
    known = published.lock is None or lock_type_in(published) is not None
    return known and published.namespace == namespace


def is_reserved(
    task: Task, plan: Plan, backend: Backend, published: LockHeader
) -> bool:
    """Tell whether the store knows a message: its publisher could write there.

    Asked only for messages of an older version, or from before a deploy that changed
    the key.
    """
    key, token = published.key, published.token
    if key is None or not Token.belongs_to(token, published.id):
        return False
    try:
        holders = backend.holders(plan.lock.reservation_name(key))
    except LockStoreError:
        return False
    known = token, task.name
    return any((held.record.token, held.record.task) == known for held in holders)
