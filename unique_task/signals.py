"""Celery signals for what happens to locks and duplicates.

Connect to them as to Celery's own; the sender is the task::

    from unique_task.signals import task_duplicate

    @task_duplicate.connect
    def count(sender, key, owner, **kwargs): ...

They come in the task's thread, except a ``lock_lost`` that the keeper finds: it comes
in another thread, so that a slow receiver holds up no renewal. The lock is renewed
already while receivers of ``lock_acquired`` run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from celery.utils.dispatch import Signal

logger = logging.getLogger(__name__)

#: An attempt took a lock. Arguments: ``lock`` (see :func:`unique_task.current_lock`).
lock_acquired: Signal = Signal(name="lock_acquired", providing_args=["lock"])

#: An attempt released its lock. Arguments: ``lock``.
lock_released: Signal = Signal(name="lock_released", providing_args=["lock"])

#: A running attempt has lost its lock, or had lost it for a while.
#: Arguments: ``lock``, whose ``loss`` is how, such as ``"released by ann@mill"``.
lock_lost: Signal = Signal(name="lock_lost", providing_args=["lock"])

#: A call is a duplicate. Arguments: ``key``; ``owner``, the holder's task id (None if
#: the call got the value of an earlier run, or if the lock is free by now);
#: ``task_id``, the duplicate's (None for a direct call); ``outcome``, what happens to
#: the duplicate: ``"dropped"``, ``"answered"`` (with a value), ``"waits"``,
#: ``"failed"``, or ``"replaced"`` (by ``owner``); ``at``, where it met the lock:
#: ``"publish"``, ``"run"``, or ``"call"`` for a direct call.
task_duplicate: Signal = Signal(
    name="task_duplicate",
    providing_args=["key", "owner", "task_id", "outcome", "at"],
)

#: In shadow mode, a call would be a duplicate; it is sent and runs. Arguments: those of
#: ``task_duplicate``, with ``policy`` in place of ``outcome``: what would have decided
#: about the call, the name of a policy of ours or ``"callable"``.
shadow_duplicate: Signal = Signal(
    name="shadow_duplicate",
    providing_args=["key", "owner", "task_id", "policy", "at"],
)

#: A call goes back to its queue because its key is held. Arguments: ``key``; ``owner``,
#: the holder's task id; ``task_id``, of the call that waits; ``times``, how often it
#: has gone back, this time included; ``since``, when it first had to, in seconds since
#: 1970. Unlike ``task_duplicate``, it comes each time, and also for a task that was let
#: in before: a retry, or a message that is delivered again.
task_waits: Signal = Signal(
    name="task_waits",
    providing_args=["key", "owner", "task_id", "times", "since"],
)


def send_signal(signal: Signal, task: Any, **arguments: Any) -> None:
    """Send `signal`; an error of a receiver is logged, and the task goes on."""
    if not signal.receivers:
        return
    try:
        signal.send(sender=task, **arguments)
    except (Exception, SystemExit):
        # Celery catches all that receivers raise except SystemExit, which would end the
        # thread that renews all leases, or keep a lock from being released.
        logger.exception("a receiver of %r failed", signal)


def connect_once(signal: Signal, receiver: Callable[..., Any]) -> None:
    """Connect `receiver` to one of Celery's signals, unless it is connected already.

    The check is cheap, so code that runs for each task or message may call this, and a
    process that never gets there has no receiver to pay for. A fork has the receivers
    of its parent.
    """
    # A list of pairs. Checked each time: other code may disconnect any receiver.
    if any(known is receiver for _, known in signal.receivers or ()):
        return
    # Strong: Celery keeps a finalizer for ever for each connection of a weak receiver.
    signal.connect(
        receiver, weak=False, dispatch_uid=f"unique_task.{receiver.__name__}"
    )
