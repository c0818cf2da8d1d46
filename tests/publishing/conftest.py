"""Fixtures for calls that are published in the test process."""

import pytest

from unique_task import MemoryBackend, unique


@pytest.fixture
def guarded(worker_app, gate):
    """Make a task that waits at the gate, and returns its item."""
    worker_app.conf.unique_backend = MemoryBackend()

    def guarded(lock, **options):
        @worker_app.task(name=f"work-{lock}")
        @unique(lock=lock, **options)
        def work(item=1):
            gate.hold()
            return item

        return work

    return guarded
