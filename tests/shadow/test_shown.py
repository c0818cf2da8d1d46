"""What operators see of shadow mode: workers, the doctor, explain, ls and release."""

import time
from typing import Any

import pytest
from celery.worker import WorkController

from tests.published_calls import ForOne, key_of, task_of
from unique_task import unique
from unique_task.backends.findings import Level
from unique_task.operating import Counters, Lock, counters, explain, locks, release
from unique_task.operating.about import about
from unique_task.operating.checks_workers import _stores
from unique_task.operating.doctor import examine
from unique_task.tasks.worker_start import report_worker

pytest_plugins = "tests.inprocess_fixtures"


def listed(app: Any) -> list[Lock]:
    return [one for one in locks(app, timeout=0) if isinstance(one, Lock)]


def test_a_worker_says_that_it_only_counts(app, caplog):
    task_of(app)

    report_worker(WorkController(app=app, pool="threads", concurrency=1))

    assert (
        "WARNING",
        'unique_enabled is "shadow": all tasks run, duplicates are only counted, '
        "by locks in memory:// (shadow)",
    ) in [(each.levelname, each.getMessage()) for each in caplog.records]


@pytest.mark.parametrize("wrong", ["store", "task"])
def test_a_worker_starts_with_what_would_keep_it_from_starting(app, caplog, wrong):
    if wrong == "store":
        task_of(app)
        app.conf.update(unique_backend=None, result_backend=None, broker_url="amqp://")
    else:
        task_of(app, unique(limit=2, backend=ForOne()))

    worker = WorkController(app=app, pool="threads", concurrency=1)
    report_worker(worker)

    said = "runs in shadow mode; with unique_enabled=True it would not"
    assert sum(said in text for text in caplog.messages) == 1


def test_the_doctor_warns_that_calls_are_only_counted_and_looks_at_all_the_rest(app):
    task_of(app)

    found = list(examine(app, timeout=0))

    assert (found[0].name, found[0].level) == ("settings", Level.WARN)
    assert '"shadow"' in found[0].found
    assert "store" in [each.name for each in found]


def test_explain_says_that_a_call_runs_and_what_it_would_be(app):
    work = task_of(app)
    work.apply_async(task_id="one")

    answer = explain(app, work.name, timeout=0)

    would_be = "not sent: the caller gets the result of one"
    assert (
        answer.at_publish.happens == f"shadow: sent, and counted; would be: {would_be}"
    )
    assert answer.at_run.happens.startswith("shadow: runs, and counted; would be: ")


def test_explain_says_of_a_call_without_a_holder_that_it_runs(app):
    work = task_of(app, unique)

    assert explain(app, work.name, timeout=0).at_run.happens == (
        "shadow: runs; would be: runs"
    )


def test_locks_of_shadow_mode_are_listed_and_released_apart_from_enforced_ones(app):
    work = task_of(app)
    work.apply_async(task_id="shadow")
    app.conf.unique_enabled = True
    work.apply_async(task_id="real")

    [real] = listed(app)
    app.conf.unique_enabled = "shadow"
    [shadow] = listed(app)

    assert (real.store, real.holders[0].owner) == ("memory://", "real")
    assert (shadow.store, shadow.holders[0].owner) == ("memory:// (shadow)", "shadow")
    assert real.key == shadow.key == key_of(work)
    [released] = release(app, [shadow], force=True)
    assert released.outcome == "released"
    assert listed(app) == []
    app.conf.unique_enabled = True
    assert len(listed(app)) == 1


def test_the_counters_show_what_would_be_a_duplicate_also_to_who_enforces(app, gate):
    @app.task(name="work")
    @unique
    def work():
        gate.hold()

    with gate.holding(work), gate.holding(work):
        pass

    for enabled in ("shadow", True):
        app.conf.unique_enabled = enabled
        [counted] = [each for each in counters(app) if isinstance(each, Counters)]
        assert (counted.runs, counted.shadow) == (1, {"ignore": 1})
        assert counted.duplicates == {}


def test_the_doctor_finds_workers_that_enforce_locks_beside_those_that_count(app):
    task_of(app)
    here = about(app, time.time)
    app.conf.unique_enabled = True
    there = about(app, time.time)

    assert not list(_stores(here, here))
    [found] = _stores(here, there)
    assert 'unique_enabled is "shadow" only here' in found.found
    [found] = _stores(there, here)
    assert 'unique_enabled is "shadow" only there' in found.found
    older = {name: value for name, value in there.items() if name != "shadow"}
    assert not list(_stores(there, older))
