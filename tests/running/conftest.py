"""Fixtures for messages that a broker delivers again."""

from threading import Event

import pytest
from celery import Task
from celery.signals import before_task_publish, task_postrun

from tests.inprocess import TIMEOUT
from unique_task.messages.stamp import (
    LOCK_HEADER,
    MESSAGE_HEADER,
    stamp_messages_of,
    stamping,
)


@pytest.fixture
def delivered_again():
    """Publish a second delivery: a message with an id that was used before."""

    def mark_alike(headers, **_):
        headers[MESSAGE_HEADER] = "00000000-0"

    stamp_messages_of("")  # first: the receivers are called in this order
    before_task_publish.connect(mark_alike)
    yield
    before_task_publish.disconnect(mark_alike)


@pytest.fixture
def redeliver():
    """Send the message of a task once more."""
    sent: dict[str, dict[str, object]] = {}

    def note(headers, **_):
        ours = {name: headers.get(name) for name in (MESSAGE_HEADER, LOCK_HEADER)}
        sent.setdefault(headers["id"], ours)

    def redeliver(task, result):
        with stamping(result.id, sent[result.id]):
            task.app.send_task(task.name, task_id=result.id)

    stamp_messages_of("")  # else it would be told later than this one
    before_task_publish.connect(note)
    yield redeliver
    before_task_publish.disconnect(note)


@pytest.fixture
def arrivals():
    """The states in which arrivals ended."""
    arrivals: list[str] = []

    def note(state, **_):
        arrivals.append(str(state))

    task_postrun.connect(note)
    yield arrivals
    task_postrun.disconnect(note)


class Slow(Task):
    """Waits between the end of its body and its outcome."""

    abstract = True
    left = Event()
    may_end = Event()

    def on_success(self, *args):
        self.left.set()
        assert self.may_end.wait(TIMEOUT)


@pytest.fixture
def slow():
    Slow.left.clear()
    Slow.may_end.clear()
    yield Slow
    Slow.may_end.set()
