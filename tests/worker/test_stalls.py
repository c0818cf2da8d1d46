"""A process that stands still, and clocks that jump."""

import os
import signal
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from tests.waiting import wait_until
from tests.worker.tasks import is_free
from tests.worker.tasks_outage import jump, save
from tests.worker.witness import Witness

pytestmark = [pytest.mark.worker, pytest.mark.any_celery]

TIMEOUT = 30

#: Seconds, of who stands still; the others hold on while the machine does.
LEASE = 1.0
LONG = 10.0

DAY = 24 * 3600


@pytest.fixture(scope="module", autouse=True)
def worker(start_module_worker):
    return start_module_worker(settings={"unique_lease": LONG})


@pytest.fixture
def database(tmp_path):
    """A table with one row, which says who has written last."""
    path = tmp_path / "balance.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE balance (amount, fence)")
        connection.execute("INSERT INTO balance VALUES (0, 0)")
    return str(path)


def stopped_holder(witness: Witness, key: str, database: str) -> tuple[Any, int]:
    """Return the result of a task whose process stands still, and its pid."""
    gate = f"late {key}"
    task: Any = save
    late = task.apply_async((key, 1, database, gate), unique={"expire": LEASE})
    wait_until(lambda: witness.runs(gate))
    [stopped] = map(int, witness.noted(f"pids {gate}"))
    os.kill(stopped, signal.SIGSTOP)
    return late, stopped


def amount_in(database: str) -> int:
    with closing(sqlite3.connect(database)) as connection:
        [amount] = connection.execute("SELECT amount FROM balance").fetchone()
    return int(amount)


def test_a_holder_that_wakes_up_too_late_does_no_harm(witness, key, database):
    late, stopped = stopped_holder(witness, key, database)

    # Its lease ends while it stands still, and a successor runs.
    successor = save.delay(key, 2, database, gate=f"next {key}")
    wait_until(lambda: witness.runs(f"next {key}"), TIMEOUT)
    witness.open(f"late {key}")
    os.kill(stopped, signal.SIGCONT)
    outcome = late.get(timeout=TIMEOUT)

    # It is told, and has neither freed nor renewed what is its successor's.
    assert outcome["lost"]
    assert witness.noted(f"losses {late.id}")
    assert not is_free(key)
    witness.open(f"next {key}")
    assert successor.get(timeout=TIMEOUT)["saved"]
    assert witness.noted(f"losses {successor.id}") == []


def test_a_database_refuses_who_writes_too_late(witness, key, database):
    late, stopped = stopped_holder(witness, key, database)
    witness.open(f"next {key}")
    successor = save.delay(key, 2, database, gate=f"next {key}")
    saved = successor.get(timeout=TIMEOUT)

    witness.open(f"late {key}")
    os.kill(stopped, signal.SIGCONT)
    refused = late.get(timeout=TIMEOUT)

    assert saved["saved"] and not refused["saved"]
    assert saved["fence"] > refused["fence"]
    assert amount_in(database) == 2


@pytest.mark.parametrize("seconds", [DAY, -DAY], ids=["ahead", "back"])
def test_a_wall_clock_that_jumps_does_not_matter(witness, key, seconds):
    result = jump.delay(key, seconds)
    wait_until(lambda: witness.runs(key))
    second = jump.delay(key, 0)
    wait_until(lambda: witness.states(second.id) == ["IGNORED"])

    witness.open(key)

    assert not result.get(timeout=TIMEOUT)["lost"]
    wait_until(lambda: is_free(key))
