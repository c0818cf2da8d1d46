"""A message that ends without a guarded run: its reservation is released."""

from functools import partial
from typing import Any

import pytest
from celery import signals
from celery.exceptions import Ignore, Reject

from tests.inprocess import make_app, value_of
from tests.published_calls import ONE, Message, Sent, record_at, task_of
from tests.waiting import wait_until
from unique_task import MemoryBackend, unique
from unique_task.messages.stamp import LOCK_HEADER
from unique_task.options.lock_types import LOCK_TYPES

pytest_plugins = "tests.inprocess_fixtures"

AT_PUBLISH = [kind.name for kind in LOCK_TYPES.values() if kind.taken_at_publish]

each_lock = pytest.mark.parametrize("lock", AT_PUBLISH)


@pytest.fixture(autouse=True)
def own_store(worker_app):
    """No test meets a lock of another test."""
    worker_app.conf.unique_backend = MemoryBackend()


@pytest.fixture
def make(request) -> Any:
    """Makes a task whose name no other test has: messages may outlast their test."""
    return partial(task_of, name=request.node.name)


@pytest.fixture
def publisher(worker_app):
    """Another app, whose messages go to the worker; its tasks have guards."""
    conf = worker_app.conf
    queue, store = conf.task_default_queue, conf.unique_backend
    with make_app(task_default_queue=queue, unique_backend=store) as app:
        yield app


def first(sent: Sent, result: Any) -> Message:
    """Return the message that a call sent, of several with its id."""
    return next(message for message in sent if message.id == result.id)


def is_freed(app: Any, message: Any) -> bool:
    """Tell whether the lock that a message reserved is free."""
    lock = message.lock
    kind = LOCK_TYPES[lock["lock"]]
    return record_at(app, kind.reservation_name(lock["key"])) is None


def ends(app: Any, message: Any, lock: str) -> None:
    """Wait until the lock is free; the lock of `until_expired` stays."""
    if lock != "until_expired":
        wait_until(lambda: is_freed(app, message))
    else:
        assert not is_freed(app, message)


def raising(error: Exception) -> Any:
    def before_start(self: Any, *args: Any) -> None:
        raise error

    return before_start


def in_vain(self: Any, *args: Any) -> None:
    if not self.request.retries:
        raise self.retry(countdown=0)
    raise LookupError("again")


BEFORE_START = {
    "error": raising(ValueError("no")),
    "Ignore": raising(Ignore()),
    "Reject": raising(Reject("no")),
    "Retry": in_vain,
}


@each_lock
@pytest.mark.parametrize("late", [False, True], ids=["early", "late"])
@pytest.mark.parametrize("end", BEFORE_START)
def test_a_lock_is_released_if_its_task_ends_in_before_start(
    make, worker_app, sent, end, late, lock
):
    task = make(worker_app, unique(lock=lock), acks_late=late)
    type(task).before_start = BEFORE_START[end]

    result = task.delay()

    ends(worker_app, first(sent, result), lock)
    if lock != "until_expired":
        wait_until(lambda: not task.delay().duplicate)


def test_the_next_try_of_a_task_that_before_start_retries_has_its_lock(
    make, worker_app, sent
):
    task = make(worker_app)
    seen = []

    def before_start(self: Any, *args: Any) -> None:
        if not self.request.retries:
            raise self.retry(countdown=0.2)
        seen.append(task.delay().id)

    type(task).before_start = before_start
    result = task.delay()
    wait_until(lambda: [message.id for message in sent].count(result.id) == 2)

    assert task.delay().id == result.id
    assert value_of(result) is None
    assert seen == [result.id]
    wait_until(lambda: is_freed(worker_app, first(sent, result)))


def test_a_lock_stays_while_a_message_goes_back_to_its_queue(make, worker_app, sent):
    task = make(worker_app, acks_late=True)
    held = []

    def before_start(self: Any, *args: Any) -> None:
        held.append(not is_freed(worker_app, sent.last))
        if len(held) == 1:
            raise Reject("later", requeue=True)

    type(task).before_start = before_start

    assert value_of(task.delay()) is None
    assert held == [True, True]
    wait_until(lambda: is_freed(worker_app, sent.last))


def test_a_message_that_cannot_go_back_to_its_queue_leaves_no_lock(
    make, worker_app, sent
):
    """It is acknowledged when it comes, whatever the task asks for."""
    task = make(worker_app)
    type(task).before_start = raising(Reject("later", requeue=True))

    result = task.delay()

    wait_until(lambda: is_freed(worker_app, first(sent, result)))


def test_a_lock_is_released_if_the_call_of_a_task_does_not_reach_its_guard(
    make, worker_app, sent
):
    task = make(worker_app)
    type(task).__call__ = lambda self, *args, **kwargs: "not today"

    result = task.delay()

    wait_until(lambda: is_freed(worker_app, first(sent, result)))


def test_a_lock_is_released_if_a_decorator_above_the_guard_raises(
    make, worker_app, sent
):
    @ONE
    def work() -> None: ...

    def closed(*args: Any) -> None:
        raise PermissionError("closed")

    closed.__dict__.update(vars(work))
    task = worker_app.task(name=f"closed {id(closed)}")(closed)

    result = task.delay()

    wait_until(lambda: is_freed(worker_app, first(sent, result)))


GUARDS = {
    "none": lambda run: run,
    "another namespace": unique(lock="until_executed", namespace="another"),
    "another lock": unique,
}


@each_lock
@pytest.mark.parametrize("guard", GUARDS)
def test_a_lock_is_released_by_a_worker_of_another_release(
    make, worker_app, publisher, sent, guard, lock
):
    task = make(publisher, unique(lock=lock))
    make(worker_app, GUARDS[guard])

    result = task.delay()

    assert value_of(result) is None
    ends(worker_app, first(sent, result), lock)


@pytest.mark.parametrize("stores", [False, True], ids=["app's", "task's"])
def test_a_worker_without_the_guard_finds_the_store_among_its_own(
    make, worker_app, publisher, sent, stores
):
    """The store is the one of the app, or one that a task of the worker names."""
    store = MemoryBackend()
    publisher.conf.unique_backend = store
    if stores:
        make(worker_app, unique(backend=store), name="another")
    else:
        worker_app.conf.unique_backend = store
    make(worker_app, lambda run: run)

    assert value_of(make(publisher).delay()) is None

    wait_until(lambda: store.get(sent.last.lock["key"]) is None)


def test_a_lock_is_released_if_no_task_of_that_name_is_known(
    make, worker_app, publisher, sent
):
    make(publisher, name="unknown").delay()

    wait_until(lambda: is_freed(worker_app, sent.last))


def test_a_lock_is_released_if_its_message_cannot_be_read(make, worker_app, sent):
    def spoil(headers: Any, **_: Any) -> None:
        headers["eta"] = "nonsense"

    task = make(worker_app)
    signals.before_task_publish.connect(spoil, weak=False)
    try:
        result = task.delay()
    finally:
        signals.before_task_publish.disconnect(spoil)

    wait_until(lambda: is_freed(worker_app, first(sent, result)))


def test_another_message_does_not_free_a_lock(make, worker_app, publisher, sent):
    """Celery passes headers on to other messages, and users may copy them."""
    task = make(publisher, name="unknown")
    task.apply_async(queue="shelf")
    lock = sent.last.lock

    worker_app.send_task("unknown too", headers={LOCK_HEADER: lock}).forget()
    make(publisher, name="unknown three").delay()

    wait_until(lambda: is_freed(worker_app, sent.last))
    assert record_at(worker_app, lock["key"]) is not None
