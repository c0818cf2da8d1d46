"""Tasks while the store of their locks is out of order.

A worker in this process, with a broker that is well, and locks behind a proxy that a
test may cut. The worker sends messages through a proxy of their own.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import partial
from threading import Event
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery, states
from celery.contrib.testing.worker import start_worker
from celery.result import AsyncResult
from celery.signals import task_postrun, task_prerun

from tests.servers import Proxy, RedisServer
from tests.waiting import wait_until
from unique_task import LockRecordError, LockStoreError, current_lock, unique
from unique_task.backends.record import Record

app = Celery("outage_tests", backend="cache+memory://", set_as_current=False)
app.conf.broker_connection_retry_on_startup = True

# Shared tasks would join the apps of all other tests.
task_of_the_worker = partial(app.task, shared=False)

#: How often a body ran, under which key, and when it may end; by its argument.
runs: Counter[str] = Counter()
keys: dict[str, str] = {}
may_end: dict[str, Event] = defaultdict(Event)

#: For how many seconds each arrival of a task was in the worker's slot, by its id.
slots: dict[str, list[float]] = defaultdict(list)
started: dict[str, float] = {}


@task_of_the_worker()
@unique
def note(name):
    runs[name] += 1
    keys[name] = current_lock().key
    return name


@task_of_the_worker(acks_late=True)
@unique
def note_late(name):
    runs[name] += 1
    return name


@task_of_the_worker(autoretry_for=(Exception,), max_retries=3, default_retry_delay=0)
@unique
def note_or_retry(name):
    runs[name] += 1
    return name


@task_of_the_worker()
@unique
def finish(name, error):
    return wait_and_end(name, error)


@task_of_the_worker(acks_late=True)
@unique
def finish_late(name, error):
    return wait_and_end(name, error)


def wait_and_end(name: str, error: bool) -> str:
    runs[name] += 1
    may_end[name].wait(timeout=60)
    if error:
        raise ValueError(name)
    return name


@pytest.fixture(scope="module")
def sending(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A proxy before the broker for all senders; the worker reads past it."""
    with RedisServer(tmp_path_factory.mktemp("broker")) as broker:
        with Proxy(broker.url) as proxy:
            app.conf.update(broker_read_url=broker.url, broker_write_url=proxy.url)
            yield proxy


@pytest.fixture(scope="module", autouse=True)
def worker(sending: Proxy) -> Iterator[None]:
    task_prerun.connect(note_start)
    task_postrun.connect(note_end)
    options: dict[str, Any] = {"pool": "threads", "concurrency": 4}
    options |= {"perform_ping_check": False, "shutdown_timeout": 60}
    with start_worker(app, **options):
        yield
    task_prerun.disconnect(note_start)
    task_postrun.disconnect(note_end)


def note_start(task_id: str, **_: object) -> None:
    started[task_id] = time.monotonic()


def note_end(task_id: str, **_: object) -> None:
    slots[task_id].append(time.monotonic() - started[task_id])


@pytest.fixture(autouse=True)
def store(redis_proxy: Proxy, sending: Proxy) -> Iterator[Proxy]:
    """A proxy before the store of the locks; scripts and connections are ready."""
    app.conf.update(
        unique_backend=redis_proxy.url,
        unique_on_unavailable="retry",
        unique_lease=15.0,
    )
    note("to connect")
    yield redis_proxy
    sending.restore()


@pytest.fixture
def name() -> str:
    """An argument that no other test uses."""
    return uuid4().hex


def value_of(result: AsyncResult) -> Any:
    return result.get(timeout=60, interval=0.01)


def wait_for_arrivals(result: AsyncResult, count: int) -> None:
    """Wait until the task has left the worker's slot so many times."""
    wait_until(lambda: len(slots[result.id]) >= count, timeout=60)


def send(task: Any, *args: object) -> AsyncResult:
    """Send a task past the proxy before the broker."""
    with app.connection_for_read() as connection:
        result: AsyncResult = task.apply_async(args, connection=connection)
        return result


# A store that does not answer when a task starts


def test_a_task_comes_back_until_the_store_does_and_runs_once(store, name):
    store.cut()

    result = note.delay(name)
    wait_for_arrivals(result, 2)
    assert runs[name] == 0
    assert result.state == states.PENDING

    store.restore()
    assert value_of(result) == name
    assert runs[name] == 1


def test_a_store_that_hangs_holds_a_slot_for_two_seconds_at_most(store, name):
    store.hang()

    result = note.delay(name)
    # One of the arrivals, on a busy machine.
    wait_until(lambda: slots[result.id] and min(slots[result.id]) < 3)
    assert runs[name] == 0

    store.restore()
    assert value_of(result) == name
    assert runs[name] == 1


def test_a_task_runs_without_its_lock_if_the_settings_say_so(store, name):
    app.conf.unique_on_unavailable = "run"
    store.cut()

    assert value_of(note.delay(name)) == name
    assert runs[name] == 1
    assert keys[name] == ""


def test_a_task_fails_if_the_settings_say_so(store, name):
    app.conf.unique_on_unavailable = "raise"
    store.cut()

    with pytest.raises(LockStoreError, match="refused"):
        value_of(note.delay(name))
    assert runs[name] == 0


def test_a_store_error_does_not_spend_the_tasks_own_retries(store, name):
    app.conf.unique_on_unavailable = "raise"
    store.cut()

    result = note_or_retry.delay(name)

    with pytest.raises(LockStoreError):
        value_of(result)
    wait_for_arrivals(result, 1)
    assert len(slots[result.id]) == 1
    assert runs[name] == 0


def test_a_direct_call_has_no_queue_to_come_back_from(store, name):
    store.cut()

    with pytest.raises(LockStoreError):
        note(name)
    assert runs[name] == 0


def test_a_direct_call_runs_without_its_lock_if_the_settings_say_so(store, name):
    app.conf.unique_on_unavailable = "run"
    store.cut()

    assert note(name) == name


# Answers that are lost


def test_a_task_knows_the_lock_whose_answer_was_lost(store, name, redis_server):
    store.swallow_replies(1, to=b"EVALSHA")
    redis_server.reset_counts()

    result = note.delay(name)

    assert value_of(result) == name
    wait_for_arrivals(result, 1)
    assert len(slots[result.id]) == 1
    # Two to take the lock, one to free it.
    assert redis_server.command_counts()["evalsha"] == 3


def test_a_task_that_lost_the_answer_knows_its_lock_when_it_comes_back(store, name):
    # Longer than the test, so that the task cannot wait until the lock ends.
    app.conf.unique_lease = 600
    store.swallow_replies(2, to=b"EVALSHA")

    result = note.delay(name)

    assert value_of(result) == name
    assert runs[name] == 1
    wait_for_arrivals(result, 2)
    assert len(slots[result.id]) == 2


def test_a_task_that_lost_several_answers_knows_its_lock_too(store, name):
    app.conf.unique_lease = 600
    # Each arrival asks twice, and a script that is not there is sent as a whole.
    store.swallow_replies(6, to=b"EVAL")

    result = note.delay(name)

    assert value_of(result) == name
    assert runs[name] == 1
    wait_for_arrivals(result, 4)
    assert len(slots[result.id]) == 4


# A store that does not answer when a task ends


@pytest.mark.parametrize("task", [finish, finish_late], ids=["early", "late"])
def test_a_body_that_has_ended_keeps_its_result(store, name, task):
    result = task.delay(name, error=False)
    wait_until(lambda: runs[name])
    store.cut()

    may_end[name].set()

    assert value_of(result) == name
    assert runs[name] == 1


@pytest.mark.parametrize("task", [finish, finish_late], ids=["early", "late"])
def test_a_body_that_has_failed_keeps_its_error(store, name, task):
    result = task.delay(name, error=True)
    wait_until(lambda: runs[name])
    store.cut()

    may_end[name].set()

    with pytest.raises(ValueError, match=name):
        value_of(result)


# A broker that does not take the task back either


@pytest.mark.parametrize("task", [note, note_or_retry], ids=["plain", "autoretry"])
def test_a_message_that_is_acknowledged_already_fails(store, sending, name, task):
    store.cut()
    sending.cut()

    result = send(task, name)

    with pytest.raises(LockStoreError, match="refused"):
        value_of(result)
    assert runs[name] == 0


def test_a_message_that_is_acknowledged_late_goes_back_to_its_queue(
    store, sending, name
):
    store.cut()
    sending.cut()

    result = send(note_late, name)
    wait_for_arrivals(result, 2)
    assert runs[name] == 0

    store.restore()
    assert value_of(result) == name
    assert runs[name] == 1


# A lock that a newer version holds


@pytest.fixture
def held_by_newer(name: str, redis_server: RedisServer) -> str:
    """Return the key of a lock that this version cannot read."""
    note(name)
    del runs[name]
    lock = f"unique:{{{keys[name]}}}"
    record = Record("task-1/0/0//ab").text(17).replace("1", "2", 1)
    redis_server.client.set(lock, record, px=60_000)
    return lock


@pytest.mark.parametrize("choice", ["retry", "run"])
def test_a_lock_of_a_newer_version_is_respected(
    held_by_newer, redis_server, name, choice
):
    app.conf.unique_on_unavailable = choice
    before = redis_server.client.get(held_by_newer)

    result = note.delay(name)
    wait_for_arrivals(result, 1)
    assert runs[name] == 0
    assert redis_server.client.get(held_by_newer) == before

    redis_server.client.delete(held_by_newer)
    assert value_of(result) == name
    assert runs[name] == 1


@pytest.mark.parametrize("choice", ["retry", "run", "raise"])
@pytest.mark.usefixtures("held_by_newer")
def test_a_direct_call_respects_a_lock_of_a_newer_version_too(name, choice):
    app.conf.unique_on_unavailable = choice

    with pytest.raises(LockRecordError):
        note(name)
    assert runs[name] == 0
