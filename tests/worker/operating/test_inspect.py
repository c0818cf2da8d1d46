"""``celery inspect unique``: what workers tell of their unique tasks."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.waiting import wait_until
from tests.worker.app import app
from tests.worker.operating.command import Unique
from tests.worker.tasks_exits import leave
from tests.worker.tasks_operated import WAITING
from unique_task.operating.about import version
from unique_task.operating.app_tasks import stores_of
from unique_task.options.guarded_class import spec_of

pytestmark = pytest.mark.worker


@pytest.fixture
def inspect(unique, worker):
    """Call it for what the worker tells."""
    inspect: Unique = replace(unique, command="inspect")

    def told(*words: str) -> dict[str, Any]:
        done = inspect("unique", "--json", "-t", "5", "-d", worker.name, *words)
        assert done.code == 0, done.err
        answers = json.loads(done.out)
        assert answers.keys() == {worker.name}
        answer: dict[str, Any] = answers[worker.name]
        return answer

    return told


def test_a_lease_is_told_though_a_child_keeps_it(inspect, running, worker, key):
    result = running(leave, "return")

    told = inspect()

    [lease] = told["leases"]
    assert lease["task"] == leave.name
    assert lease["owner"] == result.id
    assert lease["key"] == spec_of(leave).digest(leave, (key, "return"), {})
    assert lease["pid"] in worker.children()
    assert 0 < lease["remaining"] <= 60
    assert lease["since"] > 0
    assert told["more"] == {"leases": 0, "waiting": 0}
    assert told["errors"] == []


def test_calls_that_wait_are_told_by_their_key(inspect, running, witness, key):
    running(WAITING)
    second = WAITING.delay(key)
    wait_until(lambda: witness.waits(second.id))

    [line] = inspect()["waiting"]

    assert (line["task"], line["waiting"]) == (WAITING.name, 1)
    assert line["key"] == spec_of(WAITING).digest(WAITING, (key,), {})


def test_a_task_that_has_lost_its_lock_is_told_without_one(
    inspect, running, redis_server, key
):
    result = running(leave, "return")
    redis_server.client.flushdb()

    [lease] = inspect()["leases"]

    assert lease["owner"] == result.id
    assert (lease["since"], lease["remaining"]) == (None, None)


def test_version_stores_and_keys_are_told(inspect, worker):
    told = inspect()

    assert told["version"] == version()
    app.loader.import_default_modules()
    assert told["stores"] == {
        store.name: fingerprint for fingerprint, store in stores_of(app).items()
    }
    assert told["keys"]


def test_people_see_it_as_of_any_inspect_command(unique, worker):
    done = replace(unique, command="inspect")("unique", "-t", "5")

    assert done.code == 0, done.err
    assert f"{worker.name}: OK" in done.out
    assert "leases" in done.out
