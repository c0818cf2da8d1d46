"""Whether the broker delivers a message again, and what the guard does if it does not.

When an attempt has ended, the broker delivers its message again:

===========================  ==================  =======================================
the attempt ended            acknowledged early  acknowledged late
===========================  ==================  =======================================
with SUCCESS, RETRY, IGNORED  never               never
with FAILURE                 never               never if failures are acknowledged; or
                                                 maybe, by a queue of dead letters
with REJECTED                never               surely with ``requeue``, else maybe
broken off, with no state    maybe               surely, when its worker ends
with the loss of its child   maybe               surely if it went back to its queue or
                                                 its worker had cancelled it
===========================  ==================  =======================================

An attempt has finished if its message never comes again. The store keeps a mark of
that. A message keeps its reservation only if it surely comes again. "Maybe" also stands
for a run that was broken off after its message was acknowledged: it has not finished.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from enum import Enum, auto
from functools import partial
from typing import Any

from celery import Celery, Task, signals, states

from ..backends.base import Backend
from ..backends.shadow import shadow_of
from ..backends.steps import Release
from ..exceptions import ConfigurationError
from ..leases.background import release_later
from ..leases.current import progress_at, progress_of, request_of
from ..messages.lock_header import LockHeader
from ..messages.stamp import LOCK_HEADER
from ..options.app_settings import backend_of, settings_of
from ..options.guarded_class import guarded_class_of
from ..options.lock_types import lock_type_in
from ..signals import connect_once
from .reservation import release_reservation

logger = logging.getLogger(__name__)


class Redelivery(Enum):
    """Whether the broker delivers a message again."""

    NEVER = auto()
    MAYBE = auto()
    SURELY = auto()


def redelivery_after(task: Task, state: str | None, retval: Any) -> Redelivery:
    """Return whether the message of an attempt that ended in `state` comes again.

    Arguments:
        state: None if the attempt was broken off.
        retval: what Celery hands to ``task_postrun``: a value or an exception.
    """
    if not task.acks_late:
        return Redelivery.MAYBE if state is None else Redelivery.NEVER
    if state is None:
        return Redelivery.SURELY
    if state == states.REJECTED:
        requeued = getattr(retval, "requeue", False)
        return Redelivery.SURELY if requeued else Redelivery.MAYBE
    if state == states.FAILURE:
        acknowledged = _acks_on_failure(task)
    else:
        acknowledged = state in (states.SUCCESS, states.RETRY, states.IGNORED)
    return Redelivery.NEVER if acknowledged else Redelivery.MAYBE


def redelivery_after_loss(request: Any) -> Redelivery:
    """Return whether the message of a run whose child was lost comes again.

    Arguments:
        request: the request that the worker's parent keeps, see :mod:`.orphans`.
    """
    cancelled = getattr(request, "_already_cancelled", False)
    surely = request.went_back or (cancelled and request.task.acks_late)
    return Redelivery.SURELY if surely else Redelivery.MAYBE


def _acks_on_failure(task: Task) -> bool:
    # New in Celery 5.7, where None stands for the older option.
    choice = getattr(task, "acks_on_failure", None)
    return bool(task.acks_on_failure_or_timeout if choice is None else choice)


def when_outcome_stored(request: Any, then: Callable[[bool], object]) -> None:
    """Call `then` once the outcome of `request` is stored.

    Arguments:
        then: gets whether the attempt has finished, so that it must not run again.
    """
    progress_at(request).after_outcome = then
    # Connected late, because every task of a worker pays for a receiver.
    connect_once(signals.task_postrun, outcome_stored)


def outcome_stored(
    task: Task | None = None, state: str | None = None, retval: Any = None, **_: Any
) -> None:
    """Call the function of :func:`when_outcome_stored`; receives ``task_postrun``."""
    if task is None:
        return
    progress = progress_of(task)
    if progress is not None and progress.after_outcome is not None:
        then, progress.after_outcome = progress.after_outcome, None
        then(redelivery_after(task, state, retval) is Redelivery.NEVER)


def watch_messages() -> None:
    """Release the reservation of each message that ends in this process without a run.

    Every worker needs this, also for tasks without a guard.
    """
    connect_once(signals.task_postrun, release_after_run)
    connect_once(signals.task_unknown, release_refused)
    connect_once(signals.task_rejected, release_refused)


def release_after_run(
    task: Task | None = None, state: str | None = None, retval: Any = None, **_: Any
) -> None:
    """Release the reservation of a run that did not reach its guard, or has none.

    A run does not reach it if ``before_start``, the task's own ``__call__`` or a
    decorator above ``@unique`` ends the task, or if no key can be computed. A task may
    have no guard in this worker.
    """
    if task is None:
        return
    message = vars(request_of(task))
    if LOCK_HEADER not in message:
        return
    progress = progress_of(task)
    if progress is not None and progress.reservation_handled:
        return
    if redelivery_after(task, state, retval) is not Redelivery.SURELY:
        release_for(task.app, message)


def release_refused(sender: Any, message: Any, **_: Any) -> None:
    """Release the reservation of a message that a worker refuses.

    For example, the worker does not know the task of the message.
    """
    release_for(sender.app, message.headers)


def release_for(app: Celery, message: Mapping[str, Any]) -> None:
    """Release the reservation of a message that ends without a guarded run.

    This needs only the headers of the message, neither its task nor its arguments.

    Arguments:
        message: its headers.
    """
    if not message or LOCK_HEADER not in message:
        return
    try:
        _release_for(app, message)
    except Exception:
        # The caller is about to end the message, and must go on.
        logger.exception("the lock of a message ends by its time")


def _release_for(app: Celery, message: Mapping[str, Any]) -> None:
    published = LockHeader.of(message)
    if published is None:
        return
    _release_reserved(app, published, lambda store: store)
    if published.shadow is not None:
        _release_reserved(app, published.in_shadow, shadow_of)


def _release_reserved(
    app: Celery, published: LockHeader, locks_in: Callable[[Backend], Backend]
) -> None:
    if not (published.token and published.key):
        return
    lock = lock_type_in(published)
    if lock is None:  # the lock ends by its time
        return
    for store in _stores(app, published, locks_in):
        release = partial(_release_in, store)
        release_reservation(lock, published.key, published.token, release)


def _release_in(store: Backend, name: str, token: str) -> None:
    # The limit is not known here. A store asks once more if there are several holders.
    release_later(store, Release(name, token))


def _stores(
    app: Celery, published: LockHeader, locks_in: Callable[[Backend], Backend]
) -> list[Backend]:
    """Return the store of a message's lock, or all stores that it may be in.

    One store may have two names. It does no harm to release a token in another store.

    Arguments:
        locks_in: returns a backend for those locks in the store of another backend.
    """
    settings = settings_of(app)
    classes = filter(None, map(guarded_class_of, app.tasks.values()))
    options = [None, *(each.options.backend for each in classes)]
    stores: dict[Backend, None] = {}
    for option in options:
        try:
            stores[locks_in(backend_of(app, settings, option))] = None
        except ConfigurationError as error:
            logger.debug("a lock may not be released: %s", error)
    return [s for s in stores if s.fingerprint == published.store] or list(stores)
