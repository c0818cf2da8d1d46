"""Workers on two brokers that deliver messages again, and keys for tasks to them."""

from uuid import uuid4

import pytest

from tests.worker.conftest import hasty_witness, on_both_brokers
from tests.worker.redelivery.sending import VISIBILITY
from tests.worker.tasks_policies import POLICIES

SETTINGS = {
    "broker_transport_options": {
        "visibility_timeout": VISIBILITY,
        # How often Kombu looks for such messages; by default, every 100 s.
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
        # A worker that is stopped or killed while it looks keeps the others from it.
        "unacked_mutex_expire": 2,
    },
}

#: Longer than all tests: what is taken over is taken over from the dead.
LONG = 600


broker = on_both_brokers
witness = hasty_witness


@pytest.fixture
def start(celery_app, start_worker):
    """Call it for a worker with a slot for each task and its second delivery."""

    def start(lease=LONG, concurrency=10, more=None, **options):
        settings = {**SETTINGS, "unique_lease": lease, **(more or {})}
        return start_worker(settings=settings, concurrency=concurrency, **options)

    return start


@pytest.fixture
def keys(witness):
    """One for each policy."""
    keys = {policy: uuid4().hex for policy in POLICIES}
    yield keys
    for key in keys.values():
        witness.open(key)
