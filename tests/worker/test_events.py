"""Duplicates as Celery's monitors see them, by real events."""

from collections.abc import Callable, Iterator
from threading import Event, Thread
from typing import Any

import pytest
from celery.events.state import State

from tests.waiting import wait_until
from tests.worker.app import app
from tests.worker.tasks_policies import EARLY
from unique_task.options.guarded_class import spec_of

pytestmark = pytest.mark.worker

TIMEOUT = 20


@pytest.fixture(scope="module", autouse=True)
def worker(start_module_worker):
    """A worker without ``-E``: a monitor switches events on, as Flower does."""
    worker = start_module_worker(concurrency=2)
    told = app.control.broadcast("enable_events", reply=True, limit=1, timeout=10)
    assert told, "the worker has not heard"
    return worker


class Monitor:
    """What a monitor knows, and the events that it has got.

    Attributes:
        state: Celery's own, from the events.
        duplicates: the events ``task-duplicate``, by the ids of the calls.
    """

    def __init__(self) -> None:
        self.state: Any = State()
        self.duplicates: dict[str, list[dict[str, Any]]] = {}

    def note(self, event: dict[str, Any]) -> None:
        if event["type"] == "task-duplicate":
            self.duplicates.setdefault(event["uuid"], []).append(event)
        self.state.event(event)

    def state_of(self, result: Any) -> str:
        task = self.state.tasks.get(result.id)
        return "" if task is None else task.state


@pytest.fixture
def monitor(module_urls: dict[str, str]) -> Iterator[Monitor]:
    monitor = Monitor()
    with app.connection() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": monitor.note})
        thread = Thread(target=receiver.capture, kwargs={"wakeup": False})
        # Not before it listens: events that nobody hears are lost.
        listens = receiver.on_consume_ready
        ready = Event()

        def on_consume_ready(*args: Any, **options: Any) -> None:
            listens(*args, **options)
            ready.set()

        receiver.on_consume_ready = on_consume_ready
        thread.start()
        assert ready.wait(TIMEOUT)
        yield monitor
        receiver.should_stop = True
        thread.join(TIMEOUT)


@pytest.fixture
def running(witness, key) -> Iterator[Callable[..., Any]]:
    """Call it with a task for the result of a run that lasts until the gate opens."""

    def start(task: Any) -> Any:
        result = task.delay(key)
        wait_until(lambda: witness.runs(key) == 1)
        return result

    yield start
    witness.open(key)


def test_a_dropped_duplicate_is_seen_with_its_holder(monitor, running, worker, key):
    task = EARLY["ignore"]
    holder = running(task)

    dropped = task.delay(key)

    wait_until(lambda: getattr(monitor.state.tasks.get(dropped.id), "revoked", None))
    [event] = monitor.duplicates[dropped.id]
    assert event["hostname"] == worker.name
    assert {
        name: event[name] for name in ("name", "key", "owner", "outcome", "at")
    } == {
        "name": task.name,
        "key": spec_of(task).digest(task, (key,), {}),
        "owner": holder.id,
        "outcome": "dropped",
        "at": "run",
    }
    # Of the two events, Celery's order of states lets ours win.
    assert monitor.state_of(dropped) == "DUPLICATE"


def test_a_call_that_waits_is_a_duplicate_once_and_a_success_in_the_end(
    monitor, running, witness, key
):
    task = EARLY["retry"]
    running(task)
    waiting = task.delay(key)
    wait_until(lambda: witness.waits(waiting.id) >= 2)

    witness.open(key)

    wait_until(lambda: monitor.state_of(waiting) == "SUCCESS", TIMEOUT)
    assert [one["outcome"] for one in monitor.duplicates[waiting.id]] == ["waits"]


def test_a_child_keeps_its_connection_for_events(monitor, running, redis_server, key):
    task = EARLY["skip"]
    running(task)

    def connections_after(calls: int) -> int:
        results = [task.delay(key) for _ in range(calls)]
        assert [result.get(timeout=TIMEOUT) for result in results] == [None] * calls
        wait_until(lambda: all(monitor.duplicates.get(one.id) for one in results))
        return len(redis_server.client.client_list())

    before = connections_after(1)

    assert connections_after(10) <= before
