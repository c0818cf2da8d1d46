"""A lock in each pool: it lasts as long as the body and not a moment longer."""

import time

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from tests.waiting import wait_until
from tests.worker import tasks_pools as tasks
from tests.worker.conftest import POOLS, starter
from tests.worker.tasks import is_free

pytestmark = pytest.mark.worker

TIMEOUT = 20

#: The state in which each of the ways out of a body ends.
STATES = {
    "return": "SUCCESS",
    "error": "FAILURE",
    "ignore": "IGNORED",
    "reject": "REJECTED",
    "retry": "RETRY",
}


@pytest.fixture(scope="module", params=POOLS, autouse=True)
def worker(request, module_urls, tmp_path_factory):
    with starter(tmp_path_factory.mktemp(request.param), module_urls) as start:
        # Longer than all tests: what becomes free was freed.
        yield start(pool=request.param, settings={"unique_lease": 600})


def test_a_lock_stands_while_the_body_runs_longer_than_its_lease(witness, key):
    result = tasks.end_with_short_lease.delay(key)
    wait_until(lambda: witness.runs(key))
    late = time.monotonic() + 4 * tasks.SHORT_LEASE

    wait_until(lambda: is_free(key) or time.monotonic() > late)

    assert not is_free(key)
    witness.open(key)
    result.get(timeout=TIMEOUT)


@pytest.mark.parametrize("task", [tasks.end, tasks.end_late], ids=["early", "late"])
@pytest.mark.parametrize("how", STATES)
def test_a_lock_is_free_after_each_way_out(witness, key, task, how):
    result = task.delay(key, how)
    wait_until(lambda: witness.runs(key))
    assert not is_free(key)

    witness.open(key)

    wait_until(lambda: is_free(key))
    wait_until(lambda: witness.states(result.id) == [STATES[how]])


@pytest.mark.parametrize("worker", ["prefork"], indirect=True)
@pytest.mark.parametrize("task", [tasks.end, tasks.end_late], ids=["early", "late"])
def test_a_lock_is_free_after_the_soft_time_limit(witness, key, task):
    result = task.apply_async([key], soft_time_limit=0.2)

    with pytest.raises(SoftTimeLimitExceeded):
        result.get(timeout=TIMEOUT)
    wait_until(lambda: is_free(key))


def test_late_acknowledgement_holds_the_lock_until_the_outcome_is_stored(witness, key):
    result = tasks.store_slowly_late.delay(key)
    wait_until(lambda: witness.noted("storing")[-1:] == [key])

    assert not is_free(key)

    witness.open(key)
    assert result.get(timeout=TIMEOUT) == "stored"
    wait_until(lambda: is_free(key))


def test_early_acknowledgement_frees_the_lock_when_the_body_ends(witness, key):
    result = tasks.store_slowly.delay(key)
    wait_until(lambda: witness.noted("storing")[-1:] == [key])

    assert is_free(key)

    witness.open(key)
    assert result.get(timeout=TIMEOUT) == "stored"
