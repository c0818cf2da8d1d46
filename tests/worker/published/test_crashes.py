"""A worker dies, or loses its broker: its task runs again, once, and is no duplicate."""

import os
import signal

import celery
import pytest

from tests.servers import Proxy
from tests.waiting import wait_until
from tests.worker.published.locks import held
from tests.worker.redelivery.conftest import SETTINGS
from tests.worker.tasks_published import AT_PUBLISH, LONG, SURVIVING

pytestmark = pytest.mark.worker

TIMEOUT = 30

#: Its lease is over soon after a worker has died, or has no time to lose.
LEASE = 1


@pytest.fixture
def start(start_module_worker):
    def start(**options):
        settings = {**SETTINGS, "unique_lease": LEASE}
        options = {"pool": "threads", "concurrency": 10, **options}
        return start_module_worker(settings=settings, **options)

    return start


@pytest.fixture
def keys(witness, key):
    """One for each lock type."""
    keys = {lock: f"{key} {lock}" for lock in AT_PUBLISH}
    yield keys
    for each in keys.values():
        witness.open(each)
