"""The doctor looks at real workers: one that differs is found, one alike passes."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.worker.operating.command import Unique
from tests.worker.worker_process import WorkerProcess

pytestmark = [pytest.mark.worker, pytest.mark.any_celery]

OF_WORKERS = {"workers", "versions", "stores", "keys", "options", "clocks"}

SHOP = "tests.worker.operating.app_shop"

#: What the doctor finds, by the names of the checks.
Found = dict[str, Any]


@pytest.fixture
def unique(entry_points, urls) -> Unique:
    """The command for an app of one task; a worker of its own for each test."""
    return Unique(entry_points, urls, app=SHOP)


@pytest.fixture
def found_beside(unique, start_worker) -> Callable[..., Found]:
    """Start a worker, and return what the doctor finds of workers, with its node."""

    def found(given: Any = None, **options: Any) -> Found:
        environment = {"UNIQUE_TEST_SHOP": json.dumps(given or {})}
        environment |= options.pop("environment", {})
        worker: WorkerProcess = start_worker(
            **{"pool": "solo", "app": SHOP, "environment": environment, **options}
        )
        return found_of(unique, worker)

    return found


def found_of(unique: Unique, worker: WorkerProcess) -> Found:
    """Return the findings of workers; all that are bad are of this worker."""
    done = unique("doctor", "--json", "--timeout", 5)
    assert done.code == 0, done.err
    found = {one["name"]: one for one in done.objects if one["name"] in OF_WORKERS}
    bad = [one for one in found.values() if one["level"] == "warn"]
    assert {one["where"] for one in bad} <= {worker.name}
    assert all(one["advice"] for one in bad)
    return found


def warned(found: Found) -> set[str]:
    return {name for name, one in found.items() if one["level"] != "ok"}


def test_a_worker_like_this_process_passes(found_beside):
    found = found_beside()

    assert found.keys() == OF_WORKERS
    assert warned(found) == set()


def test_without_workers_nothing_is_said_of_them(unique):
    objects = unique("doctor", "--json", "--timeout", 0.5).objects

    [found] = [one for one in objects if one["name"] in OF_WORKERS]
    assert (found["name"], found["level"]) == ("workers", "unknown")


@pytest.mark.parametrize(
    "given, rule",
    [
        ({"key": "{order}"}, "keys"),
        ({"both": True}, "keys"),
        ({"namespace": "other"}, "keys"),
        ({"expire": 5}, "options"),
        ({"lock": "until_executed"}, "options"),
    ],
)
def test_a_worker_with_other_rules_is_found(found_beside, given, rule):
    found = found_beside(given)

    assert warned(found) == {rule}
    assert "shop.pay" in found[rule]["found"]


def test_a_worker_with_another_store_is_found(found_beside, urls):
    found = found_beside(locks=urls["locks"].replace("/0", "/7"))

    assert warned(found) == {"stores"}
    assert "shop.pay" in found["stores"]["found"]


def test_a_worker_that_guards_nothing_is_found(found_beside):
    found = found_beside(app="tests.worker.app", settings={"unique_enabled": False})

    assert "no task is guarded" in found["stores"]["found"]


def test_a_worker_that_does_not_know_a_task_is_found(found_beside):
    found = found_beside(app="tests.worker.app")

    assert warned(found) == {"stores"}
    assert "not known there: shop.pay" in found["stores"]["found"]


@pytest.fixture
def beginning_with(tmp_path) -> Callable[[str], dict[str, str]]:
    """Return the environment of a worker whose Python runs a text when it starts."""

    def environment(text: str) -> dict[str, str]:
        (tmp_path / "sitecustomize.py").write_text(text)
        return {"PYTHONPATH": f"{tmp_path}:."}

    return environment


def test_a_worker_of_another_version_is_found(found_beside, beginning_with):
    newer = "import importlib.metadata as m; m.version = lambda name: '99'"

    found = found_beside(environment=beginning_with(newer))

    assert warned(found) == {"versions"}
    assert "unique_task 99, and" in found["versions"]["found"]


def test_a_worker_with_another_clock_is_found(found_beside):
    found = found_beside({"ahead": 60})

    assert warned(found) == {"clocks"}
    assert "ahead" in found["clocks"]["found"]


def test_a_worker_without_the_library_is_found(found_beside, beginning_with):
    # Where it is installed, each program of Celery imports it, for its command.
    without = "import sys; sys.modules['unique_task'] = None"

    found = found_beside(
        app="tests.worker.operating.app_without", environment=beginning_with(without)
    )

    assert warned(found) == {"workers"}
    assert "without unique_task" in found["workers"]["found"]


def test_a_warning_ends_the_command_with_1_if_it_is_strict(unique):
    """The Redis of the tests writes nothing to a disk."""
    mild, strict = unique("doctor", "-t", 0), unique("doctor", "-t", 0, "--strict")

    assert (mild.code, strict.code) == (0, 1)
    assert strict.err.startswith("Error: 0 checks fail, 1 warn")
    assert strict.out == mild.out
    [line] = [line for line in mild.out.splitlines() if line.startswith("warn")]
    assert line.split()[:2] == ["warn", "persistence"]


def test_a_failed_check_ends_the_command_with_1(unique):
    unique = replace(unique, urls={**unique.urls, "locks": "redis://localhost:1/0"})

    done = unique("doctor", "-t", 0)

    assert done.code == 1
    assert "fail     store" in done.out
    assert "Traceback" not in done.err
