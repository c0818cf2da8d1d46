"""Celery signals that tell what happens to locks and duplicates.

Connect to them as to Celery's own; the sender is the task::

    from unique_task.signals import task_duplicate

    @task_duplicate.connect
    def count(sender, key, owner, **kwargs): ...

They come in the task's thread, but for a ``lock_lost`` that the keeper finds: that has
a thread of its own, so that a slow receiver holds up no renewal. While a receiver of
``lock_acquired`` takes its time, the lock is renewed already.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from celery.utils.dispatch import Signal

logger = logging.getLogger(__name__)

#: An attempt took a lock. Arguments: ``lock`` (see :func:`unique_task.current_lock`).
lock_acquired: Signal = Signal(name="lock_acquired", providing_args=["lock"])

#: An attempt freed its lock. Arguments: ``lock``.
lock_released: Signal = Signal(name="lock_released", providing_args=["lock"])

#: A running attempt no longer holds, or for a while did not hold, its lock.
#: Arguments: ``lock``.
lock_lost: Signal = Signal(name="lock_lost", providing_args=["lock"])

#: A call met the lock of another one. Arguments: ``key``; ``owner``, the holder's task
#: id (None if the call got the value of an earlier run, or if nobody holds the lock any
#: more); ``task_id``, the duplicate's (None for a direct call); ``outcome``, what
#: becomes of the duplicate: ``"dropped"``, ``"answered"`` (with a value), ``"waits"``,
#: ``"failed"``, or ``"replaced"`` (by ``owner``); ``at``, where it was met:
#: ``"publish"``, ``"run"``, or ``"call"`` for a direct call.
task_duplicate: Signal = Signal(
    name="task_duplicate",
    providing_args=["key", "owner", "task_id", "outcome", "at"],
)


def tell(signal: Signal, task: Any, **told: Any) -> None:
    """Send `signal`; what a receiver raises changes nothing for the task."""
    if not signal.receivers:
        return
    try:
        signal.send(sender=task, **told)
    except (Exception, SystemExit):
        # Celery catches what receivers raise, but for SystemExit: that would end the
        # thread that renews all leases, or keep a lock from being freed.
        logger.exception("a receiver of %r failed", signal)


def connect_once(signal: Signal, receiver: Callable[..., Any]) -> None:
    """Connect `receiver` to a signal of Celery's; cheap where it is connected already.

    So code that runs for each task or message may call this, and a process that never
    comes there has no receiver to pay for. A fork has the receivers of its parent.
    """
    # A list of pairs. Asked, not remembered: others may disconnect what they like.
    if any(known is receiver for _, known in signal.receivers or ()):
        return
    # Strong: for each call with a weak receiver Celery keeps a finalizer for ever.
    signal.connect(
        receiver, weak=False, dispatch_uid=f"unique_task.{receiver.__name__}"
    )
