"""What Prometheus is given of locks and counters."""

import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from tests.clock import Clock
from tests.metrics.store import Store, counted, values_in
from tests.operating.test_explain import hold as run_under
from tests.published_calls import key_of, task_of
from tests.waiting import wait_until
from unique_task import ConfigurationError, unique
from unique_task.counting import names
from unique_task.counting.names import RUNS, duplicates
from unique_task.prometheus import UniqueTaskCollector

pytest_plugins = "tests.inprocess_fixtures"
pytestmark = pytest.mark.any_celery

HOSTILE = 'x"} 1\n# evil{\\ \ud800'


@pytest.fixture
def registry(app, store) -> CollectorRegistry:
    """What an exporter has, which was asked once before anything was counted."""
    registry = CollectorRegistry(auto_describe=True)
    registry.register(UniqueTaskCollector(app, timeout=0))
    generate_latest(registry)
    return registry


def scraped(registry: CollectorRegistry) -> dict[str, float]:
    """What Prometheus reads, see :func:`.values_in`."""
    return values_in(generate_latest(registry).decode())


def test_all_counters_of_a_task_are_there_with_0_before_anything_happens(registry):
    found = scraped(registry)

    assert {name: value for name, value in found.items() if value} == {
        "unique_task_store_up{store=memory://}": 1
    }
    for name in ("runs", "lost", "store_errors", "values", "replaced", "waits"):
        assert found[f"unique_task_{name}_total{{task=work}}"] == 0
    assert found["unique_task_locks{state=running,task=work}"] == 0
    of_work = "unique_task_duplicates_total{at=%s,policy=ignore,task=work}"
    assert found[of_work % "publish"] == found[of_work % "run"] == 0


def test_in_shadow_mode_they_are_those_of_shadow_duplicates(app, store):
    app.conf.unique_enabled = "shadow"
    registry = CollectorRegistry()
    registry.register(UniqueTaskCollector(app, timeout=0))
    of_work = "{at=publish,policy=ignore,task=work}"

    app.tasks["work"].delay()
    found = scraped(registry)
    assert found["unique_task_shadow_duplicates_total" + of_work] == 0
    assert "unique_task_duplicates_total" + of_work not in found
    app.tasks["work"].delay()

    assert scraped(registry)["unique_task_shadow_duplicates_total" + of_work] == 1


def test_what_is_counted_is_there_by_task_policy_and_place(registry, store):
    counted(store, RUNS, 2, seconds=1.5)
    counted(store, names.WAITED, 1, seconds=90.0)
    counted(store, names.LOST)
    counted(store, names.STORE_ERRORS, 3)
    counted(store, duplicates("retry", "run"), 4)
    counted(store, names.shadow("ignore", "publish"), 5)

    found = scraped(registry)

    of_task = "{task=work}"
    assert found["unique_task_runs_total" + of_task] == 2
    assert found["unique_task_held_seconds_sum" + of_task] == 3
    assert found["unique_task_held_seconds_count" + of_task] == 2
    assert found["unique_task_waited_seconds_sum" + of_task] == 90
    assert found["unique_task_waited_seconds_count" + of_task] == 1
    assert found["unique_task_lost_total" + of_task] == 1
    assert found["unique_task_store_errors_total" + of_task] == 3
    place = "at={},policy={},task=work".format
    retried = "unique_task_duplicates_total{%s}" % place("run", "retry")
    assert found[retried] == 4
    shadow = "unique_task_shadow_duplicates_total{%s}" % place("publish", "ignore")
    assert found[shadow] == 5


def test_locks_are_there_by_task_and_state(app, registry):
    task = app.tasks["work"]
    for item, state in enumerate(("running", "running", "pending")):
        run_under(task, item, owner=f"{item}", state=state)

    found = scraped(registry)

    assert found["unique_task_locks{state=running,task=work}"] == 2
    assert found["unique_task_locks{state=pending,task=work}"] == 1
    keys = [key_of(task, item) for item in range(3)]
    assert not any(key in name for name in found for key in keys)


def test_the_age_is_that_of_the_oldest_holder_in_a_state(app):
    app.conf.unique_backend = Store()
    task = task_of(app)
    registry = CollectorRegistry()
    registry.register(UniqueTaskCollector(app, timeout=0))
    age = "unique_task_oldest_lock_seconds{state=%s,task=work}"
    run_under(task, 1, owner="1", state="running")
    wait_until(lambda: scraped(registry)[age % "running"] > 0.2)
    run_under(task, 2, owner="2", state="running")
    run_under(task, 3, owner="3", state="pending")

    found = scraped(registry)

    assert found[age % "running"] > 0.2 > found[age % "pending"]


def test_without_locks_none_is_listed(app, store):
    registry = CollectorRegistry()
    registry.register(UniqueTaskCollector(app, timeout=0, locks=False))

    found = scraped(registry)

    assert "unique_task_runs_total{task=work}" in found
    assert not any(name.startswith("unique_task_locks") for name in found)


def test_to_register_a_collector_asks_no_store(app, store):
    store.away, store.asked = True, 0

    CollectorRegistry(auto_describe=True).register(UniqueTaskCollector(app))

    assert store.asked == 0


def test_a_second_collector_in_one_registry_is_refused(app, registry):
    with pytest.raises(ValueError, match="Duplicated"):
        registry.register(UniqueTaskCollector(app))


def test_an_app_without_unique_tasks_is_an_error_at_once(app):
    with pytest.raises(ConfigurationError, match="no unique tasks"):
        UniqueTaskCollector(app)


def test_a_store_that_is_away_is_0_and_all_else_missing_until_it_is_back(
    registry, store, caplog
):
    counted(store, RUNS, 2)
    assert scraped(registry)["unique_task_runs_total{task=work}"] == 2

    store.away = True
    for _ in range(2):
        assert scraped(registry) == {"unique_task_store_up{store=memory://}": 0}
    store.away = False
    counted(store, RUNS)

    found = scraped(registry)
    assert found["unique_task_store_up{store=memory://}"] == 1
    assert found["unique_task_runs_total{task=work}"] == 3
    warnings = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert [one.getMessage() for one in warnings] == ["not measured: memory://: away"]


class Slow(Store):
    """One that answers when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = Event()

    def _holders(self, key: str) -> Any:
        found = super()._holders(key)
        assert self.answers.wait(30)
        return found


def steps_of_threads() -> list[str]:
    """In which function each thread is."""
    return [frame.f_code.co_name for frame in sys._current_frames().values()]


def test_of_several_scrapes_of_a_slow_store_one_looks_for_all(app):
    app.conf.unique_backend = store = Slow()
    task_of(app)
    collector = UniqueTaskCollector(app, timeout=0, locks=False)
    with ThreadPoolExecutor(3) as threads:
        scrapes = [threads.submit(list, collector.collect())]
        wait_until(lambda: store.asked)
        scrapes += [threads.submit(list, collector.collect()) for _ in range(2)]
        wait_until(lambda: steps_of_threads().count("look") == 2)
        store.answers.set()
        [one, *others] = [scrape.result(30) for scrape in scrapes]

    assert one == others[0] == others[1]
    alone, store.asked = store.asked, 0
    list(collector.collect())
    assert store.asked == alone


class Other(Store):
    """Another store, for some tasks."""

    name = "other://"
    fingerprint = "other"


def test_a_counter_of_two_stores_is_missing_while_one_is_away(app, store, clock):
    """With the part of one store alone, it would go back."""
    other = Other(Clock())
    task_of(app, unique(backend=other), name="elsewhere")
    registry = CollectorRegistry()
    registry.register(UniqueTaskCollector(app, timeout=0))
    scraped(registry)
    # As after a deploy that has moved the task.
    for one in (store, other):
        counted(one, RUNS, 2)
    of_both, of_one = (
        "unique_task_runs_total{task=work}",
        "unique_task_lost_total{task=work}",
    )
    assert scraped(registry)[of_both] == 4

    other.away = True

    found = scraped(registry)
    assert of_both not in found and of_one in found
    assert found["unique_task_store_up{store=memory://}"] == 1
    assert found["unique_task_store_up{store=other://}"] == 0
    other.away = False
    assert scraped(registry)[of_both] == 4


class Plain(Store):
    """One that can neither count nor list."""

    promises = replace(Store.promises, counts=False, lists=False)


def test_of_a_store_that_cannot_count_there_is_only_that_it_answers(app, clock):
    app.conf.unique_backend = Plain(clock)
    task_of(app)
    registry = CollectorRegistry()
    registry.register(UniqueTaskCollector(app, timeout=0))

    assert scraped(registry) == {"unique_task_store_up{store=memory://}": 1}


def test_a_hostile_name_of_a_task_is_one_label_of_one_line(registry, store):
    counted(store, RUNS, task=HOSTILE)

    text = generate_latest(registry).decode()

    assert not any(line.startswith("# evil") for line in text.splitlines())
    of_tasks = [name for name in scraped(registry) if "evil" in name]
    assert any(name.startswith("unique_task_runs_total{") for name in of_tasks)


def test_where_no_worker_answers_nobody_says_that_none_waits(app, store):
    app.conf.control_exchange = app.main  # the broker in memory is one for all apps
    registry = CollectorRegistry()
    registry.register(UniqueTaskCollector(app, timeout=0.1))

    found = scraped(registry)

    assert "unique_task_runs_total{task=work}" in found
    assert not any(name.startswith("unique_task_waiting") for name in found)
