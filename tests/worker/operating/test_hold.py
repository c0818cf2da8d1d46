"""A key is held, seen and freed from the command line, beside a worker."""

import json
import signal
from typing import Any

import pytest
from celery.exceptions import TaskRevokedError

from tests.waiting import wait_until
from tests.worker.tasks_operated import RENEWED, WAITING
from tests.worker.tasks_several import SEVERAL
from unique_task.backends.record import Record
from unique_task.options.app_settings import backend_of, settings_of
from unique_task.options.guarded_class import spec_of

pytestmark = [pytest.mark.worker, pytest.mark.usefixtures("worker")]

CALLED = "held by ann: migration"


def holders(task: Any, key: str) -> list[Record]:
    """Who holds the lock of a call."""
    store = backend_of(task.app, settings_of(task.app))
    found = store.holders(spec_of(task).digest(task, (key,), {}))
    return [held.record for held in found]


def call_of(task: Any, key: str) -> tuple[str, str, str]:
    return task.name, "--args", json.dumps([key])


@pytest.fixture
def ann(unique):
    """Call it to hold the key of a call as Ann."""

    def ann(task, key, *words):
        more = ("--for", 600, "--by", "ann", "--reason", "migration", *words)
        return unique("hold", *call_of(task, key), *map(str, more))

    return ann


def test_a_call_is_refused_until_the_hold_is_released(unique, ann, witness, key):
    held = ann(RENEWED, key)
    [record] = holders(RENEWED, key)
    witness.open(key)

    with pytest.raises(TaskRevokedError, match=CALLED):
        RENEWED.delay(key).get(timeout=30)

    released = unique("release", record.owner, "--force")
    assert held.code == 0, held.err
    assert ["held", "by:", "ann:", "migration"] in held.rows
    assert (released.code, released.rows[-1][-1]) == (0, "released")
    assert RENEWED.delay(key).get(timeout=30) == 1


def test_a_call_that_waits_runs_when_the_hold_is_released(unique, ann, witness, key):
    assert ann(WAITING, key).code == 0
    witness.open(key)
    result = WAITING.delay(key)
    wait_until(lambda: result.state == "RETRY")

    done = unique("release", "--held", "--task", WAITING.name, "--force")

    assert (done.code, done.rows[-1][-1]) == (0, "released")
    assert result.get(timeout=60) == 1


def test_what_runs_is_named_and_keeps_its_lock(ann, witness, key):
    result = RENEWED.delay(key)
    wait_until(lambda: witness.runs(key))

    done = ann(RENEWED, key, "--wait", "0.2")

    witness.open(key)
    assert done.code == 1
    assert f"{result.id} is alive: its process lives" in done.out
    assert f"not held: {result.id} holds" in done.err
    assert result.get(timeout=30) == 1


def test_who_breaks_off_while_it_waits_holds_nothing(unique, witness, key):
    result = SEVERAL.delay(key)
    wait_until(lambda: witness.runs(key))
    words = ("--for", "600", "--reason", "migration", "--wait", "60")
    with unique.started("hold", *call_of(SEVERAL, key), *words) as command:
        wait_until(lambda: len(holders(SEVERAL, key)) == 3)
        command.send_signal(signal.SIGINT)
        code = command.wait(30)

    assert code == 1
    assert [record.owner for record in holders(SEVERAL, key)] == [result.id]
    witness.open(key)
    assert result.get(timeout=30) == 1
