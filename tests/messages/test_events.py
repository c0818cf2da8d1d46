"""The event of a duplicate, from who publishes it; and what must not fail by it."""

import socket
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from kombu import Consumer

from tests.published_calls import key_of, store_of, task_of
from unique_task import unique
from unique_task.backends.record import Record, Token
from unique_task.messages.events import note_events, send_event

pytest_plugins = "tests.inprocess_fixtures"

QUEUED = unique(lock="until_executed")


def events(app: Any, work: Callable[[], object]) -> list[dict[str, Any]]:
    """The events of what `work` does, as a monitor gets them."""
    found: list[dict[str, Any]] = []
    with app.connection() as connection:
        channel = connection.channel()
        queue = app.events.Receiver(channel).queue
        consumer = Consumer(channel, [queue], no_ack=True)
        consumer.register_callback(lambda event, _: found.append(event))
        with consumer, suppress(socket.timeout):
            work()
            while True:
                connection.drain_events(timeout=0.2)
    return [event for event in found if event["type"] == "task-duplicate"]


@pytest.fixture
def app(app):
    app.conf.event_exchange = (
        f"{app.main} events"  # the broker in memory is one for all apps
    )
    return app


def test_a_duplicate_that_is_not_sent_is_an_event_if_sent_ones_are(app):
    app.conf.task_send_sent_event = True
    task = task_of(app, QUEUED)
    holder = task.delay()

    [event] = events(app, lambda: task.apply_async(task_id="dropped"))

    assert (event["uuid"], event["owner"]) == ("dropped", holder.id)
    assert (event["at"], event["outcome"]) == ("publish", "dropped")
    assert (event["name"], event["key"]) == (task.name, key_of(task))
    assert event["hostname"].startswith("publisher@")


def test_else_it_is_none(app):
    task = task_of(app, QUEUED)
    task.delay()

    assert events(app, task.delay) == []


def test_a_direct_call_is_none(app):
    app.conf.task_send_sent_event = True
    task = task_of(app, QUEUED)
    task.delay()

    assert events(app, task) == []


def test_a_broker_that_is_away_costs_an_event_and_no_call(app, caplog):
    app.conf.update(broker_url="redis://localhost:1/0", task_send_sent_event=True)
    task = task_of(app, QUEUED)
    record = Record(Token.of_attempt("holder"), task.name)
    store_of(app).acquire(key_of(task), record, 60)

    assert task.delay().id == "holder"
    assert "the event task-duplicate of" in caplog.text


def request(**dispatcher: object) -> Any:
    """A request of a worker with such a dispatcher of events."""
    eventer = SimpleNamespace(**dispatcher) if dispatcher else None
    return SimpleNamespace(id="a", hostname="w", delivery_info={}, eventer=eventer)


@pytest.mark.parametrize(
    "dispatcher, sent",
    [
        ({}, 0),
        ({"enabled": False, "groups": set()}, 0),
        ({"enabled": True, "groups": {"worker"}}, 0),
        ({"enabled": True, "groups": {"worker", "task"}}, 1),
        ({"enabled": True, "groups": set()}, 1),
    ],
)
def test_a_worker_sends_them_if_its_dispatcher_sends_events_of_tasks(
    app, dispatcher, sent
):
    task, its = task_of(app), request(**dispatcher)
    note_events(its)

    found = events(app, lambda: send_event(task, its, "task-duplicate"))

    assert len(found) == sent


def test_a_task_that_sends_no_events_sends_none_of_duplicates(app):
    task, its = task_of(app, send_events=False), request(enabled=True, groups=set())
    note_events(its)

    assert events(app, lambda: send_event(task, its, "task-duplicate")) == []
