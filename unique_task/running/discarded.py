"""Frees what was reserved for a message that ends without a guarded run."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from celery import Celery, Task, bootsteps, signals, states

from ..backends.base import Backend
from ..exceptions import ConfigurationError
from ..leases.background import release_later
from ..leases.progress import progress_of, request_of
from ..messages.lock_header import LockHeader
from ..messages.stamp import LOCK_HEADER
from ..options.guarded_class import guarded_class_of
from ..options.lock_types import LOCK_TYPES
from ..options.settings import backend_of, settings_of
from ..signals import connect_once

logger = logging.getLogger(__name__)


def give_up(app: Celery, message: Mapping[str, Any]) -> None:
    """Free the lock that was reserved for a message which will not come again.

    It needs neither the task nor the arguments: the message says enough. A window stays
    open until its time is over, whatever becomes of the message.

    Arguments:
        message: its headers.
    """
    if not message or LOCK_HEADER not in message:
        return
    try:
        _give_up(app, message)
    except Exception:
        # Whoever calls has a message to end, and this must not keep it from that.
        logger.exception("the lock of a message ends by its time")


def _give_up(app: Celery, message: Mapping[str, Any]) -> None:
    published = LockHeader.of(message)
    if published is None or not (published.token and published.key):
        return
    kind = LOCK_TYPES.get(published.lock or "")
    if kind is None:  # of a newer version: it ends by its time
        return
    kind = kind.for_successor() if published.follows else kind
    if kind.ends_by_time:
        return
    for store in _stores(app, published):
        for name in kind.reservation_names(published.key):
            release_later(store, name, published.token)


def _stores(app: Celery, published: LockHeader) -> list[Backend]:
    """Return the store of a message's lock, or all that it may be.

    One store may have two names. To ask another one to free a token does no harm.
    """
    settings = settings_of(app)
    classes = filter(None, map(guarded_class_of, app.tasks.values()))
    options = [None, *(each.options.backend for each in classes)]
    stores: dict[Backend, None] = {}
    for option in options:
        try:
            stores[backend_of(app, settings, option)] = None
        except ConfigurationError as error:
            logger.debug("a lock may not be freed: %s", error)
    return [s for s in stores if s.fingerprint == published.store] or list(stores)


def watch_messages() -> None:
    """Free the lock of each message that ends in this process; connects to signals.

    Also in a worker where no task, or not this one, has a guard.
    """
    connect_once(signals.task_postrun, free_after_run)
    connect_once(signals.task_unknown, free_refused)
    connect_once(signals.task_rejected, free_refused)


def free_after_run(
    task: Task | None = None, state: str | None = None, retval: Any = None, **_: Any
) -> None:
    """Free what was reserved for a run that did not come to its guard, or has none.

    As when ``before_start``, a ``__call__`` of its own or a decorator above ``@unique``
    ends the task, when a key cannot be computed, or when the task has no guard here.
    """
    if task is None:
        return
    message = vars(request_of(task))
    if LOCK_HEADER not in message or _comes_again(task, state, retval):
        return
    progress = progress_of(task)
    if progress is None or not progress.settled:
        give_up(task.app, message)


def _comes_again(task: Task, state: str | None, retval: Any) -> bool:
    """Tell whether the broker delivers the message of a run again that ended so."""
    if state == states.REJECTED:
        return bool(task.acks_late and getattr(retval, "requeue", False))
    # Broken off, as by a worker that ends: what is not acknowledged goes back.
    return state is None and bool(task.acks_late)


def free_refused(sender: Any, message: Any, **_: Any) -> None:
    """Free the lock of a message that a worker throws away, as of an unknown task."""
    give_up(sender.app, message.headers)


class Unreadable(bootsteps.Step):
    """A step of a worker's consumer that frees the locks of unreadable messages.

    No signal tells of them: as of a message that is compressed in an unknown way.
    """

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        on_decode_error = parent.on_decode_error

        def free_too(message: Any, error: Exception) -> None:
            on_decode_error(message, error)
            give_up(parent.app, message.headers)

        parent.on_decode_error = free_too
