"""Workers and publishers that sentry-sdk and OpenTelemetry look into.

Sentry writes a dict named ``headers`` into each message that is published with a
transaction open, and Celery shows a task that in place of all other headers.
"""

from typing import Any

import pytest

from tests.waiting import wait_until
from tests.worker import tasks_traced as tasks
from tests.worker.app import app
from unique_task import DuplicateTaskError
from unique_task.options.lock_types import LOCK_TYPES

pytestmark = pytest.mark.worker

#: Whether the publisher is traced, and whether the worker is.
WAYS = {"worker": (False, True), "publisher": (True, False), "both": (True, True)}


@pytest.fixture(scope="module")
def workers(start_module_worker):
    """One that is traced, and one that is not, each with a queue of its own."""
    start_module_worker(app="tests.worker.traced", options=["-Q", "traced"])
    start_module_worker(pool="threads", options=["-Q", "plain"])


@pytest.fixture(params=WAYS)
def send(request, workers) -> Any:
    """Call it to publish a task and get its result."""
    from_traced, to_traced = WAYS[request.param]
    queue = "traced" if to_traced else "plain"

    def send(task: Any, key: str) -> Any:
        if not from_traced:
            return task.apply_async((key,), queue=queue)
        call = (task.name, key, queue)
        return app.AsyncResult(
            value_of(tasks.publish.apply_async(call, queue="traced"))
        )

    return send


def value_of(result: Any) -> Any:
    """Return the value, by a look now and then: Celery 5.3 may miss the message."""
    wait_until(result.ready, timeout=60)
    return result.get()


@pytest.mark.parametrize("lock", LOCK_TYPES)
def test_a_task_runs_and_frees_its_lock(send, witness, key, lock):
    task = tasks.COUNTED[lock]
    first = send(task, key)
    assert value_of(first) == 1
    witness.wait_until_idle()

    second = send(task, key)

    assert value_of(second) == (1 if lock == "until_expired" else 2)


def test_a_retry_has_its_lock_and_frees_it(send, witness, key):
    # Not by its state: Celery 5.3 may store RETRY after the next try has ended.
    send(tasks.retrying_once, key)
    wait_until(lambda: witness.runs(key) == 2)
    witness.wait_until_idle()

    send(tasks.retrying_once, key)

    wait_until(lambda: witness.runs(key) == 4)


def test_waits_end_in_time(send, witness, key):
    held = send(tasks.holding, key)
    wait_until(lambda: witness.runs(key))
    waiting = send(tasks.giving_up, key)

    with pytest.raises(DuplicateTaskError):
        value_of(waiting)
    witness.open(key)
    value_of(held)


def test_a_call_that_waited_runs(send, witness, key):
    held = send(tasks.holding, key)
    wait_until(lambda: witness.runs(key))
    waiting = send(tasks.holding, key)

    witness.open(key)

    assert (value_of(held), value_of(waiting)) == (None, None)
