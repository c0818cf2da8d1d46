"""A store, and a task whose key several may hold."""

from typing import Any

import pytest

from tests.inprocess import Gate
from tests.running.several.guarded import Guarded
from unique_task import MemoryBackend


@pytest.fixture
def store():
    return MemoryBackend()


@pytest.fixture
def guarded(worker_app: Any, gate: Gate, store: MemoryBackend) -> Guarded:
    return Guarded(worker_app, gate, store)
