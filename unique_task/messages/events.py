"""Celery's events about calls that the guard ends, for monitors such as Flower."""

from __future__ import annotations

import logging
from typing import Any

from billiard.exceptions import SoftTimeLimitExceeded, Terminated
from celery import Celery, Task
from celery.utils.nodenames import gethostname, nodename

logger = logging.getLogger(__name__)

#: Where a worker's parent tells the child that runs the call whether it sends events:
#: among what a request has of its delivery, as headers go on to other messages.
_ON = "task_events"

#: An event is sent again once, as the connection may have been closed meanwhile; a task
#: must not wait longer for it.
_RETRY = {"max_retries": 1, "interval_start": 0}


def note_events(request: Any) -> None:
    """Note in a worker's request whether the worker sends events now.

    Its children do not know: a monitor may switch events on while the worker runs.
    """
    dispatcher = request.eventer
    if dispatcher is None or not dispatcher.enabled:
        return
    if not dispatcher.groups or "task" in dispatcher.groups:
        request.delivery_info[_ON] = True


def send_event(task: Task, request: Any, kind: str, **fields: Any) -> None:
    """Send an event about a call that a worker runs, if the worker sends events."""
    is_on = bool((request.delivery_info or {}).get(_ON))
    if is_on and task.send_events:
        _send(task.app, kind, request.hostname, uuid=request.id, **fields)


def send_event_of_publisher(task: Task, kind: str, **fields: Any) -> None:
    """Send an event about a call that is published, if ``task_send_sent_event`` is set.

    Monitors take the sender of an event for a worker. So its name is one for all
    processes of a machine: a monitor would list each of them.
    """
    if task.app.conf.task_send_sent_event:
        _send(task.app, kind, nodename("publisher", gethostname()), **fields)


def _send(app: Celery, kind: str, hostname: str, **fields: Any) -> None:
    """Send an event by a connection of the app's pool; a call does not fail by it."""
    try:
        with app.events.default_dispatcher(hostname=hostname) as dispatcher:
            dispatcher.send(kind, retry=True, retry_policy=_RETRY, **fields)
    except (SoftTimeLimitExceeded, Terminated):
        raise
    except Exception as error:  # of any of kombu's transports
        logger.warning("the event %s of %s is lost: %s", kind, fields["uuid"], error)
