"""A worker that throws a message away frees the lock that it carries."""

from typing import Any

import pytest
from celery import Celery, signals
from kombu import compression

from tests.published_calls import key_of, noted
from tests.waiting import wait_until
from unique_task import RedisBackend, unique

pytestmark = pytest.mark.worker

TIMEOUT = 60

ODD = "of no other process"


@pytest.fixture(scope="module")
def worker(start_module_worker):
    return start_module_worker(app="tests.worker.app_plain", concurrency=1)


@pytest.fixture(scope="module")
def publisher(worker, module_urls):
    """An app whose tasks have guards, which those of the worker do not all have."""
    with Celery(broker=module_urls["broker"], set_as_current=False) as app:
        app.conf.update(
            result_backend=module_urls["backend"], unique_backend=module_urls["locks"]
        )
        yield app


@pytest.fixture
def publish(publisher, module_urls):
    """Call it with the name of a task; returns when the call's lock is free."""
    store = RedisBackend(module_urls["locks"])

    def publish(name: str, **options: Any) -> None:
        def work() -> None: ...

        task = publisher.task(name=name)(unique(lock="until_executed")(work))
        with noted() as sent:
            assert not task.apply_async(**options).duplicate
        assert sent.last.lock["token"]
        wait_until(lambda: store.get(key_of(task)) is None, TIMEOUT)
        del publisher.tasks[name]

    return publish


@pytest.mark.parametrize(
    "name",
    [
        *("plain", "unknown", "refused", "guarded and refused"),
        *("dying", "guarded and dying"),
    ],
)
def test_a_lock_is_freed_if_no_guard_comes_to_it(publish, name):
    publish(name)


@pytest.mark.parametrize("name", ["plain", "guarded and refused"])
def test_a_lock_is_freed_if_its_message_was_revoked(publish, publisher, name):
    publisher.control.revoke(f"revoked {name}", reply=True, limit=1, timeout=TIMEOUT)

    publish(name, task_id=f"revoked {name}")


@pytest.mark.parametrize("name", ["plain", "guarded and refused"])
def test_a_lock_is_freed_if_its_message_is_in_a_form_that_the_worker_refuses(
    publish, name
):
    publish(name, serializer="pickle")


@pytest.mark.parametrize("name", ["plain", "guarded and refused"])
def test_a_lock_is_freed_if_its_message_cannot_be_read(publish, name):
    compression.register(bytes, bytes, f"application/{ODD}", aliases=[ODD])

    publish(name, compression=ODD)


def test_a_lock_is_freed_if_a_time_limit_ends_a_late_greenlet(
    publish, start_module_worker
):
    app = "tests.worker.app_plain"
    start_module_worker(app=app, pool="gevent", options=["-Q", "green"])

    publish("out of time", queue="green")


@pytest.mark.parametrize("header", ["eta", "expires"])
def test_a_lock_is_freed_if_its_message_makes_no_sense(publish, header):
    def spoil(headers: Any, **_: Any) -> None:
        headers[header] = "nonsense"

    signals.before_task_publish.connect(spoil, weak=False)
    try:
        publish("plain")
    finally:
        signals.before_task_publish.disconnect(spoil)
