"""An app with a guarded task, whose store a test can take away."""

import pytest

from tests.clock import Clock
from tests.metrics.store import Store
from tests.published_calls import task_of


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    clock.now = 600_000.0  # long enough after 1970 for the minutes that are kept
    return clock


@pytest.fixture
def store(app, clock) -> Store:
    """The store of the app, which has a task ``work``."""
    app.conf.unique_backend = store = Store(clock)
    task_of(app)
    return store
