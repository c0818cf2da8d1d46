"""The lock of a run that lives is taken away from the command line."""

import getpass

import pytest
from celery.exceptions import TaskRevokedError

from tests.waiting import wait_until
from tests.worker.operating.test_hold import holders
from tests.worker.tasks_operated import RENEWED, WATCHFUL

pytestmark = [pytest.mark.worker, pytest.mark.usefixtures("worker")]


@pytest.fixture(scope="module")
def worker(start_module_worker):
    """One whose leases are renewed each second."""
    return start_module_worker(concurrency=4, settings={"unique_lease": 3})


@pytest.fixture
def running(witness, key):
    """Call it to have a call of a task run; returns its result."""

    def run(task, number=1):
        result = task.delay(key, number)
        wait_until(lambda: witness.runs(key) >= number)
        return result

    yield run
    witness.open(key)


def test_its_body_hears_by_whom_and_the_call_that_waits_starts_at_once(
    unique, running, witness, key
):
    first = running(WATCHFUL)
    second = WATCHFUL.delay(key, 2)
    wait_until(lambda: witness.waits(second.id))

    done = unique("release", first.id, "--running", "-f", "--by", "ann@mill")

    assert done.code == 0, done.err
    assert "its run goes on, and hears of it at its next renewal" in done.out
    wait_until(lambda: witness.runs(key) == 2)
    assert first.get(timeout=30) == "released by ann@mill"
    assert [record.owner for record in holders(WATCHFUL, key)] == [second.id]
    witness.open(key)
    assert second.get(timeout=30) == 2
    assert holders(WATCHFUL, key) == []


def test_without_force_it_keeps_its_lock(unique, running, key):
    first = running(WATCHFUL)

    offered = unique("release", "--task", WATCHFUL.name, "--running")

    assert offered.code == 0, offered.err
    assert "would be released" in offered.out
    assert [record.owner for record in holders(WATCHFUL, key)] == [first.id]
    assert unique("release", "--running", "-f").code == 0
    WATCHFUL.delay(key, 2)
    assert first.get(timeout=30).startswith(f"released by {getpass.getuser()}@")


def test_its_task_is_revoked_and_terminated(unique, running, worker, key):
    result = running(RENEWED)
    words = ("--running", "--worker", worker.name, "--revoke", "--force", "--json")

    done = unique("release", *words)

    assert done.code == 0, done.err
    [one] = done.objects
    assert (one["holder"]["owner"], one["revoked"]) == (result.id, True)
    with pytest.raises(TaskRevokedError):
        result.get(timeout=30)
    assert holders(RENEWED, key) == []
