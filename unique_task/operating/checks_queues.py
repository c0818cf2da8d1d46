"""Checks of the queues: a message that a queue drops leaves its lock behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from celery import Celery

from ..backends.findings import Finding, Level
from .broker import Broker
from .checks_tasks import Guarded

#: What makes RabbitMQ drop messages, and the attributes of kombu's queues for it.
_DROPS = {
    "x-message-ttl": "message_ttl",
    "x-max-length": "max_length",
    "x-max-length-bytes": "max_length_bytes",
    "x-expires": "expires",
}


def examine_queues(
    app: Celery, guarded: Sequence[Guarded], broker: Broker
) -> Iterator[Finding]:
    """Yield what is found of the queues of tasks whose locks wait with a message."""
    dropping = sorted({line for one in guarded for line in _drops(app, one)})
    if broker.kind != "amqp" or not dropping:
        yield Finding("queues", Level.OK, "no queue of this app drops messages")
        return
    yield Finding(
        "queues",
        Level.WARN,
        "a queue drops messages, and their locks stand until expire: "
        + ", ".join(dropping),
        "give the calls an expires in place of the limit of the queue",
    )


def _drops(app: Celery, one: Guarded) -> Iterator[str]:
    if not one.plan.lock.taken_at_publish:
        return
    queue = _queue_of(app, one.task)
    arguments = getattr(queue, "queue_arguments", None) or {}
    for argument, attribute in _DROPS.items():
        if getattr(queue, attribute, None) or arguments.get(argument):
            yield f"{queue.name} ({argument})"


def _queue_of(app: Celery, task: Any) -> Any:
    """Return the queue of a task, as its options and the routes of the app have it."""
    own = {"queue": task.queue} if getattr(task, "queue", None) else {}
    route: Any = app.amqp.router.route(own, task.name, (), {}, task)
    queue = route.get("queue")
    return app.amqp.queues.get(queue) if isinstance(queue, str) else queue
