"""Fixtures for shadow mode: every call runs, what would be a duplicate is reported."""

from collections.abc import Iterator

import pytest
from celery import Celery

from unique_task import MemoryBackend
from unique_task.options import shadow
from unique_task.signals import (
    lock_acquired,
    lock_lost,
    lock_released,
    shadow_duplicate,
    task_duplicate,
    task_waits,
)


@pytest.fixture
def app(app: Celery) -> Celery:
    app.conf.unique_enabled = "shadow"
    return app


@pytest.fixture
def worker_app(worker_app: Celery) -> Iterator[Celery]:
    worker_app.conf.update(unique_enabled="shadow", unique_backend=MemoryBackend())
    yield worker_app
    worker_app.conf.unique_enabled = True


@pytest.fixture(autouse=True)
def nothing_logged_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "_logged", set())


@pytest.fixture
def counted() -> Iterator[list[tuple[str, str]]]:
    """Policy and place of the calls that would have been duplicates."""
    counted: list[tuple[str, str]] = []

    def note(policy: str, at: str, **_: object) -> None:
        counted.append((policy, at))

    shadow_duplicate.connect(note, weak=False)
    yield counted
    shadow_duplicate.disconnect(note)


@pytest.fixture
def heard_of_locks() -> Iterator[list[str]]:
    """Names of the signals that an app gets which enforces its locks."""
    heard: list[str] = []

    def note(signal: object, **_: object) -> None:
        heard.append(str(getattr(signal, "name")))

    signals = lock_acquired, lock_lost, lock_released, task_duplicate, task_waits
    for signal in signals:
        signal.connect(note, weak=False)
    yield heard
    for signal in signals:
        signal.disconnect(note)
