"""A message that cannot be sent: what its lock was taken for is undone at once."""

import pytest
from kombu import Connection
from kombu.exceptions import EncodeError, OperationalError

from tests.servers.process import free_port
from tests.worker.published.locks import pending
from tests.worker.tasks_published import AT_PUBLISH, GUARDED_BY, REPLACING

pytestmark = [pytest.mark.worker, pytest.mark.usefixtures("worker")]

TIMEOUT = 20

each_lock = pytest.mark.parametrize("lock", AT_PUBLISH)


@pytest.fixture
def nowhere(module_urls):
    """A connection to a broker that is down."""
    scheme = module_urls["broker"].partition(":")[0]
    url = f"{scheme}://localhost:{free_port()}"
    at_once = {"max_retries": 1, "interval_start": 0, "interval_step": 0}
    with Connection(url, transport_options=at_once) as connection:
        yield connection


@each_lock
def test_a_lock_is_free_if_the_broker_is_down(nowhere, witness, key, lock):
    task = GUARDED_BY[lock, "ignore"]
    witness.open(key)

    with pytest.raises(OperationalError):
        task.apply_async((key,), connection=nowhere, retry=False)

    assert not pending(task, key)
    assert task.delay(key, 2).get(timeout=TIMEOUT) == 2


@each_lock
def test_a_lock_is_free_if_the_message_cannot_be_written(key, lock):
    task = GUARDED_BY[lock, "ignore"]

    with pytest.raises(EncodeError):
        task.delay(key, object())

    assert not pending(task, key)


@each_lock
def test_what_was_to_be_replaced_has_its_place_again(
    nowhere, shelf, witness, key, lock
):
    task = REPLACING[lock]
    witness.open(key)
    old = shelf.put(task, key, 1)

    with pytest.raises(OperationalError):
        task.apply_async((key, 2), connection=nowhere, retry=False)

    assert pending(task, key).record.owner == old.id
    shelf.deliver()
    assert old.get(timeout=TIMEOUT) == 1


@each_lock
def test_a_duplicate_that_is_dropped_needs_no_broker(nowhere, shelf, key, lock):
    task = GUARDED_BY[lock, "ignore"]
    first = shelf.put(task, key)

    result = task.apply_async((key,), connection=nowhere, retry=False)

    assert (result.id, result.duplicate) == (first.id, True)
