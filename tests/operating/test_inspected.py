"""What a worker tells is bounded, and says what it could not read."""

from contextlib import ExitStack

import pytest
from celery.worker import state

from tests.inprocess import value_of
from unique_task import LockStoreError, MemoryBackend, unique
from unique_task.operating import inspected as module
from unique_task.operating.inspected import inspected

pytest_plugins = "tests.inprocess_fixtures"


class Failing(MemoryBackend):
    """A store that does not answer whoever looks at holders."""

    def _holders(self, key):
        raise LockStoreError("the store is away")


@pytest.fixture
def work(worker_app, gate):
    """A task that waits at the gate."""

    @worker_app.task
    @unique(key="{item}")
    def work(item):
        gate.hold()

    return work


@pytest.fixture
def told(worker, worker_app, gate):
    """Return what the worker tells while such calls run."""

    # Workers that other tests in this process broke off have left theirs.
    state.active_requests.clear()

    def told(task, count):
        with ExitStack() as after:
            results = [task.delay(number) for number in range(count)]
            after.callback(lambda: [value_of(result) for result in results])
            after.callback(gate.open)
            for _ in results:
                gate.wait_for_arrival()
            return inspected(worker_app, worker.hostname)

    return told


def test_each_lease_is_told_with_its_time(told, work):
    leases = told(work, 2)["leases"]

    assert [lease["task"] for lease in leases] == [work.name] * 2
    assert all(lease["remaining"] > 0 for lease in leases)


def test_those_beyond_a_bound_are_counted(told, work, monkeypatch):
    monkeypatch.setattr(module, "MOST", 1)

    answer = told(work, 3)

    assert len(answer["leases"]) == 1
    assert answer["more"] == {"leases": 2, "waiting": 0}


def test_a_store_that_does_not_answer_is_asked_once(told, worker_app, gate):
    @worker_app.task
    @unique(key="{item}", backend=Failing())
    def work(item):
        gate.hold()

    answer = told(work, 2)

    assert answer["errors"] == ["the store is away"]
    assert [lease["remaining"] for lease in answer["leases"]] == [None, None]
    assert all(lease["key"] for lease in answer["leases"])


def test_a_slow_store_is_read_for_a_moment_only(told, work, monkeypatch):
    monkeypatch.setattr(module, "_PATIENCE", 0)

    answer = told(work, 2)

    assert answer["errors"] == ["memory://: it is slow, so not all leases were read"]
    assert [lease["remaining"] for lease in answer["leases"]] == [None, None]


def test_without_unique_tasks_there_is_nothing_to_tell(app):
    answer = inspected(app, "nobody")

    assert (answer["stores"], answer["leases"]) == ({}, [])
