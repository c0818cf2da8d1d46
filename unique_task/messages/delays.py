"""The countdowns with which a message may be sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from celery import Celery, Task

detect_quorum_queues: Any
try:
    from celery.utils.quorum_queues import detect_quorum_queues
except ImportError:  # Celery 5.4, which lets workers wait for every countdown
    detect_quorum_queues = None

#: The least that Celery lets RabbitMQ wait: its delays have whole seconds.
_LEAST = 1.0

# What Celery puts before the routing key of a message that RabbitMQ delays.
_DELAY = re.compile(r"([01]\.){28}")


def sendable_countdown(
    task: Task, countdown: float, options: Mapping[str, Any]
) -> float:
    """Return a countdown with which Celery sends the message, which may be longer.

    With quorum queues, RabbitMQ waits in place of the worker, and Celery refuses a
    countdown of less than a second.

    Arguments:
        options: of ``apply_async``.
    """
    if not 0 < countdown < _LEAST or not _broker_waits(task, options):
        return countdown
    return _LEAST


def without_delay(routing_key: str) -> str:
    """Return the routing key of a message without the delay in it."""
    # Kombu strips it only from 5.7 on; with each wait the key would grow by one delay.
    return _DELAY.sub("", routing_key, count=1)


def _broker_waits(task: Any, options: Mapping[str, Any]) -> bool:
    """Tell whether Celery lets the broker wait; decided as ``send_task`` does."""
    app = task.app
    if detect_quorum_queues is None or not _has_quorum_queues(app):
        return False
    routed = app.amqp.router.route(dict(options), task.name, task_type=task)
    queue = routed.get("queue")
    kind = queue.exchange.type if queue else routed.get("exchange_type")
    return bool(kind != "direct")


def _has_quorum_queues(app: Celery) -> bool:
    transport: Any = app.producer_pool.connections.connection.transport
    return bool(detect_quorum_queues(app, transport.driver_type)[0])
