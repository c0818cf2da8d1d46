"""What a worker tells others while it cannot reach the broker."""

import pytest
from celery import Celery

from tests.waiting import wait_until
from unique_task.waiting import neighbours
from unique_task.waiting.neighbours import Messenger
from unique_task.waiting.next_steps import Frees


class Consumer:
    """What the messenger asks of a worker's consumer, of an app in memory."""

    hostname = "here"

    def __init__(self) -> None:
        self.app = Celery(broker="memory://", set_as_current=False)
        self.conninfo = self.app.connection_for_read()


@pytest.fixture
def sent(monkeypatch):
    """The keys of the messages that are sent."""
    sent: list[str] = []
    monkeypatch.setattr(neighbours, "_send", lambda _, one: sent.append(one.key))
    return sent


def test_messages_are_sent_in_order(sent):
    messenger, consumer = Messenger(), Consumer()
    for key in "abc":
        messenger.send(consumer, Frees("there", key, {}))

    wait_until(lambda: sent == ["a", "b", "c"])


def test_a_message_that_waited_long_for_the_broker_is_not_sent(sent, monkeypatch):
    messenger, consumer = Messenger(), Consumer()
    monkeypatch.setattr(neighbours, "_OLDEST", -1.0)
    messenger.send(consumer, Frees("there", "old", {}))
    monkeypatch.setattr(neighbours, "_OLDEST", 10.0)
    messenger.send(consumer, Frees("there", "new", {}))

    wait_until(lambda: sent)
    assert sent == ["new"]


def test_an_error_of_the_broker_does_not_end_the_thread(monkeypatch):
    sent: list[str] = []

    def send(_, message):
        if message.key == "a":
            raise OSError("no broker")
        sent.append(message.key)

    monkeypatch.setattr(neighbours, "_send", send)
    messenger, consumer = Messenger(), Consumer()
    for key in "ab":
        messenger.send(consumer, Frees("there", key, {}))

    wait_until(lambda: sent == ["b"])
