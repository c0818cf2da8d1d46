"""A lock in each pool: it lasts as long as the body and not a moment longer."""

import time
from itertools import pairwise
from typing import Any

import pytest

from tests.waiting import wait_until
from tests.worker import tasks_pools as tasks
from tests.worker.conftest import POOLS, starter
from tests.worker.tasks import is_free

pytestmark = [pytest.mark.worker, pytest.mark.any_celery]

TIMEOUT = 20


@pytest.fixture(scope="module", params=POOLS, autouse=True)
def worker(request, module_urls, tmp_path_factory):
    with starter(tmp_path_factory.mktemp(request.param), module_urls) as start:
        # Longer than all tests: what becomes free was freed.
        yield start(pool=request.param, settings={"unique_lease": 600})


#: Seconds. The second is for a machine that stood still for as long as the first.
LEASES = (0.5, 5)


def test_a_lock_stands_while_the_body_runs_longer_than_its_lease(witness, key):
    task: Any = tasks.run_under_lease

    def stands_for_four(lease):
        gate = f"{lease} {key}"
        result = task.apply_async([gate], unique={"expire": lease})
        wait_until(lambda: witness.runs(gate))
        late = time.monotonic() + 4 * lease

        wait_until(lambda: is_free(gate) or time.monotonic() > late)

        stands = not is_free(gate)
        witness.open(gate)
        result.get(timeout=TIMEOUT)
        return stands

    assert any(map(stands_for_four, LEASES))


@pytest.mark.parametrize("task", [tasks.store_slowly, tasks.store_slowly_late])
def test_the_lock_is_free_before_the_outcome_is_stored(witness, key, task):
    result = task.delay(key)
    wait_until(lambda: witness.noted("storing")[-1:] == [key])

    assert is_free(key)

    witness.open(key)
    assert result.get(timeout=TIMEOUT) == "stored"


def test_a_child_remembers_nothing_of_the_keys_that_it_has_seen(worker, key):
    if worker.pool != "prefork":
        pytest.skip("the process of this pool does other things beside its tasks")
    task: Any = tasks.measure

    def run_many(count: int) -> dict[int, list[int]]:
        """Tell of each child how often it has run, and how much memory it has."""
        for number in range(count):
            task.apply_async([f"{count} {number} {key}"], ignore_result=True)
        looks = [task.delay(f"{count} look {n} {key}", True) for n in range(8)]
        found = [look.get(timeout=TIMEOUT) for look in looks]
        return {pid: told for pid, *told in found}

    rounds = [run_many(count) for count in (40, 60, 61, 62)]

    # What grows does so each time; what is filled once is full by then.
    growth = [
        (after[pid][1] - before[pid][1]) / (after[pid][0] - before[pid][0])
        for before, after in pairwise(rounds)
        for pid in before.keys() & after.keys()
    ]
    assert growth and min(growth) < 4
