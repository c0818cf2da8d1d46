"""Fixtures for Celery inside of the test process: an app, a worker in threads.

A module asks for them by ``pytest_plugins = "tests.inprocess_fixtures"``.
"""

from collections.abc import Iterator
from typing import Any
from weakref import WeakSet

import pytest
from celery import Celery, _state, signals
from celery.app.trace import reset_worker_optimizations, setup_worker_optimizations
from celery.contrib.testing.worker import start_worker

from tests.inprocess import Gate, make_app
from tests.published_calls import Sent, noted


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open()


@pytest.fixture
def own_shared_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let apps get the tasks of this test alone, and its tasks go to no other app."""
    shared = getattr(_state, "_on_app_finalizers")
    own = {share for share in shared if share.__module__ == "celery.app.builtins"}
    monkeypatch.setattr(_state, "_on_app_finalizers", own)
    monkeypatch.setattr(_state, "_apps", WeakSet())


@pytest.fixture
def app(own_shared_tasks: None) -> Iterator[Celery]:
    """An app for one test, not finalized and without a worker."""
    with make_app() as app:
        yield app


@pytest.fixture(scope="module")
def worker() -> Iterator[Any]:
    """A worker in four threads, in the state that ``celery worker`` puts Celery in."""
    app = make_app()
    setup_worker_optimizations(app)
    options: Any = {"perform_ping_check": False, "shutdown_timeout": 60}
    with start_worker(app, pool="threads", concurrency=4, **options) as worker:
        yield worker
    reset_worker_optimizations(app)


@pytest.fixture
def worker_app(worker: Any, own_shared_tasks: None) -> Iterator[Celery]:
    """The worker's app; tasks that the test makes of it last as long as the test."""
    app: Any = worker.app
    consumer = worker.consumer
    before = set(app.tasks)

    def learn(sender: Any = None, **_: Any) -> None:
        if sender not in consumer.strategies:
            consumer.update_strategies()

    signals.before_task_publish.connect(learn, weak=False)
    yield app
    signals.before_task_publish.disconnect(learn)
    for name in set(app.tasks) - before:
        del app.tasks[name]
        consumer.strategies.pop(name, None)


@pytest.fixture
def sent() -> Iterator[Sent]:
    """The messages that the test has published."""
    with noted() as sent:
        yield sent
