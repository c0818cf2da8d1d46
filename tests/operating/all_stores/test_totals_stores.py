"""Totals of counters grow by what is new, in each kind of store that counts."""

import pytest

from tests.published_calls import task_of
from unique_task.backends.counting import counter_of
from unique_task.counting.names import RUNS
from unique_task.operating import Measurements, Points
from unique_task.options.app_settings import backend_of, settings_of

pytest_plugins = "tests.inprocess_fixtures"

URLS = ("redis_url", "cluster_url", "postgresql_url", "mariadb_url")


@pytest.fixture(params=URLS)
def measurements(app, request) -> Measurements:
    app.conf.unique_backend = request.getfixturevalue(request.param)
    app.conf.unique_timeout = 20
    task_of(app)
    return Measurements(app, timeout=0)


def runs(points: Points) -> list[tuple[tuple[str, ...], float]]:
    return [(point.labels, point.value) for point in points["runs"]]


def test_what_is_counted_between_two_looks_is_added(app, measurements):
    store = counter_of(backend_of(app, settings_of(app)))
    assert store is not None
    store.count("before", {("work", RUNS): 5.0})
    assert runs(measurements.look()) == [(("work",), 0)]

    store.count("1", {("work", RUNS): 2.0, ("other", RUNS): 1.0})
    store.count("2", {("work", RUNS): 1.0})

    assert runs(measurements.look()) == [(("other",), 1), (("work",), 3)]
    [up] = measurements.look()["store_up"]
    assert up.value == 1
