"""A queue that no worker reads: what lies there starts when the test says so."""

from typing import Any

from kombu import Producer, Queue
from kombu.message import Message

from tests.waiting import wait_until
from tests.worker.app import app

_KEPT = ("correlation_id", "reply_to", "priority", "delivery_mode", "expiration")


class Shelf:
    """The queue of that `name`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def put(self, task: Any, *args: Any, **options: Any) -> Any:
        """Publish a call; it is pending until it is delivered."""
        return task.apply_async(args, queue=self.name, **options)

    def deliver(self, count: int = 1) -> list[str]:
        """Hand the oldest messages to the workers; return the ids of their tasks."""
        return [wait_until(self._deliver_one) for _ in range(count)]

    def deliver_all(self) -> list[str]:
        """Hand over what lies there by now."""
        return list(iter(self._deliver_one, ""))

    def clear(self, delete: bool = True) -> None:
        """Throw away what lies there, and the queue; a worker may count on that."""
        with app.connection_for_write() as connection:
            queue = Queue(self.name, channel=connection.default_channel)
            queue.queue_declare()
            # On Redis, nothing is deleted of a queue that this connection did not bind.
            queue.purge()
            if delete:
                queue.delete()

    def _deliver_one(self) -> str:
        with app.connection_for_write() as connection:
            queue = Queue(self.name, channel=connection.default_channel)
            queue.queue_declare()
            message = queue.get(no_ack=True)
            if message is None:
                return ""
            _send(message, Producer(connection.default_channel))
            return str(message.headers["id"])


def _send(message: Message, producer: Producer) -> None:
    properties: dict[str, Any] = message.properties
    producer.publish(
        message.body,
        routing_key=app.conf.task_default_queue,
        content_type=message.content_type,
        content_encoding=message.content_encoding,
        headers=message.headers,
        **{name: properties[name] for name in _KEPT if properties.get(name)},
    )
