"""The memory of a process does not grow with the calls that it has seen."""

import gc
import logging
import math
import sys
from collections.abc import Callable, Iterator
from typing import Any
from weakref import ref

import pytest
from celery import signals
from celery.app.trace import build_tracer
from kombu.utils.uuid import uuid

from tests.forking import in_fork
from tests.published_calls import holder, key_of
from unique_task import MemoryBackend, retry, unique
from unique_task.backends.memcached import MemcachedBackend
from unique_task.backends.record import Record
from unique_task.counting.tally import tally
from unique_task.forks import in_forks_of
from unique_task.options.lock_types import LOCK_TYPES

pytestmark = pytest.mark.any_celery

pytest_plugins = "tests.inprocess_fixtures"

#: Calls before memory is measured, and again while it is.
CALLS = 50

#: How often they are made at most.
ROUNDS = 12

#: Blocks of memory for each call; what is forgotten needs none. To format a traceback
#: leaves Python a few more now and then.
NONE = 0.5
FEW = 3


class Clock:
    """A clock that the test moves on."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def unheard() -> Iterator[None]:
    """Keep pytest from collecting log records."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def store(app, clock) -> MemoryBackend:
    store = app.conf.unique_backend = MemoryBackend(timer=clock)
    app.conf.task_ignore_result = True
    return store


@pytest.fixture
def growth(app, store, clock) -> Callable[[Callable[[str], object]], float]:
    """Return how many blocks of memory each further call keeps."""

    def call_many(call: Callable[[str], object]) -> int:
        for _ in range(CALLS):
            call(uuid())
        with app.connection_for_write() as connection:
            connection.default_channel.queue_purge(app.main)
        assert tally.flush(30)  # what is counted waits for that, and is then forgotten
        # The locks end, and so do the marks of attempts.
        clock.now += 1e7
        store.get("none")
        tally.drop()  # what is counted waits for its flush
        gc.collect()
        return sys.getallocatedblocks()

    return lambda call: least_growth(lambda: call_many(call))


def least_growth(call_many: Callable[[], int]) -> float:
    """Return the least growth by some calls, which return the blocks after them.

    A leak grows each time. A cache that fills once is full by then, and what else runs
    in this process does not allocate in each round. One round without growth is enough.
    """
    least, before = math.inf, call_many()
    for _ in range(ROUNDS):
        after = call_many()
        least, before = min(least, (after - before) / CALLS), after
        if least < NONE:
            break
    return least


@pytest.fixture
def deliver(app) -> Iterator[Callable[..., object]]:
    """Run the latest message, as the child of a worker does."""
    messages: list[Any] = []

    def note(headers: Any, body: Any, **_: Any) -> None:
        messages[:] = [(headers, body)]

    def deliver(task: Any, **delivery: Any) -> object:
        headers, (args, kwargs, _) = messages[0]
        request = {**headers, "headers": dict(headers), "delivery_info": delivery}
        # The task itself, not its proxy.
        own = app.tasks[task.name]
        own.__trace__ = own.__trace__ or build_tracer(own.name, own, app=app)
        return own.__trace__(headers["id"], args, kwargs, request)

    signals.after_task_publish.connect(note, weak=False)
    yield deliver
    signals.after_task_publish.disconnect(note)


def task_of(app: Any, body: Callable[[str], object] = str, **options: Any) -> Any:
    late, retries = options.pop("acks_late", False), options.pop("autoretry_for", ())

    def work(item: str) -> object:
        return body(item)

    return app.task(acks_late=late, autoretry_for=retries)(unique(**options)(work))


def fail(item: str) -> object:
    raise ValueError(item)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("lock", LOCK_TYPES)
def test_runs_of_many_keys_leave_nothing(app, growth, deliver, lock, late):
    task = task_of(app, lock=lock, acks_late=late)

    def run(item: str) -> None:
        task.delay(item)
        deliver(task)

    assert growth(run) < NONE


@pytest.mark.parametrize("options", [{}, {"autoretry_for": (ValueError,)}])
def test_runs_that_fail_leave_nothing(app, growth, deliver, options):
    task = task_of(app, fail, lock="until_executed", acks_late=True, **options)

    def run(item: str) -> None:
        task.delay(item)
        deliver(task)

    assert growth(run) < FEW


@pytest.mark.parametrize("policy", ["ignore", "skip", "cached", retry(), "raise"])
def test_duplicates_of_many_keys_leave_nothing(app, store, growth, deliver, policy):
    task = task_of(app, on_duplicate=policy, acks_late=True)

    def meet(item: str) -> None:
        store.acquire(key_of(task, item), Record("other/0/0//nonce"), expire=60)
        task.delay(item)
        deliver(task)

    assert growth(meet) < FEW


@pytest.mark.parametrize("lock", LOCK_TYPES)
def test_calls_with_many_keys_leave_nothing(app, growth, lock):
    task = task_of(app, lock=lock, on_duplicate="skip")

    def call(item: str) -> None:
        task.delay(item)
        task.delay(item)
        task.apply((item,))
        task(item)

    assert growth(call) < NONE


def test_calls_by_name_leave_nothing(app, growth):
    def send(item: str) -> None:
        app.send_task("elsewhere", (item,), unique_key=item)

    assert growth(send) < NONE


@pytest.mark.parametrize(
    "make",
    [
        MemoryBackend,
        lambda: MemcachedBackend("memcached://localhost:1"),
    ],
)
def test_a_store_without_users_is_forgotten(make):
    def make_many() -> int:
        for _ in range(CALLS):
            make()
        gc.collect()
        return sys.getallocatedblocks()

    assert least_growth(make_many) < NONE


def test_forks_do_not_call_an_object_that_is_gone():
    calls = []

    class Thing:
        def note(self) -> None:
            calls.append("gone")

    thing = Thing()
    in_forks_of(thing.note)
    alive = ref(thing)
    del thing

    assert alive() is None
    assert in_fork(lambda: calls) == []


def test_a_receiver_that_was_disconnected_is_connected_again(app, deliver, monkeypatch):
    task = task_of(app, acks_late=True)
    monkeypatch.setattr(signals.task_postrun, "receivers", [])

    task.delay("1")
    deliver(task)

    assert holder(task, "1") is None
