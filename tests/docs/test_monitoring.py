"""A real Prometheus takes the board's expressions and the alerts, and what we serve."""

import json
from collections.abc import Iterator
from urllib.error import HTTPError

import pytest
from prometheus_client import CollectorRegistry, start_http_server

from tests.docs.test_metrics_page import ALERTS, BOARD
from tests.metrics.store import Store, counted
from tests.published_calls import task_of
from tests.servers.prometheus_server import PrometheusServer
from tests.waiting import wait_until
from unique_task.counting import names
from unique_task.prometheus import UniqueTaskCollector

pytest_plugins = "tests.inprocess_fixtures"
pytestmark = pytest.mark.any_celery

#: What Grafana puts in the place of its variables.
VARIABLES = {"$__rate_interval": "10s", "$task": ".*"}


@pytest.fixture
def store(app) -> Store:
    """Of a task that has lost a lock since an exporter looked first."""
    app.conf.unique_backend = store = Store()
    task_of(app)
    return store


@pytest.fixture
def prometheus(app, store, tmp_path) -> Iterator[PrometheusServer]:
    """One that has scraped an exporter, before and after a lock was lost."""
    registry = CollectorRegistry()
    registry.register(UniqueTaskCollector(app, timeout=0))
    exporter, thread = start_http_server(0, "127.0.0.1", registry)
    try:
        target = f"127.0.0.1:{exporter.server_port}"
        with PrometheusServer(tmp_path, target, ALERTS) as prometheus:
            wait_until(lambda: prometheus.query("unique_task_lost_total == 0"))
            counted(store, names.LOST)
            wait_until(lambda: prometheus.query("unique_task_lost_total == 1"))
            yield prometheus
    finally:
        exporter.shutdown()
        thread.join()
        exporter.server_close()


def expressions() -> list[str]:
    """Those of the board, as Grafana asks them."""
    board = json.loads(BOARD.read_text())
    found = [one["expr"] for panel in board["panels"] for one in panel["targets"]]
    for variable, value in VARIABLES.items():
        found = [expression.replace(variable, value) for expression in found]
    return found


def test_it_evaluates_the_alerts_and_the_expressions_of_the_board(prometheus):
    """One test: each server that starts takes seconds."""

    def states() -> dict[str, str]:
        return {rule["name"]: rule["state"] for rule in prometheus.rules()}

    wait_until(lambda: states()["UniqueTaskLockLost"] == "firing")
    assert {rule["health"] for rule in prometheus.rules()} == {"ok"}
    assert [name for name, state in states().items() if state != "inactive"] == [
        "UniqueTaskLockLost"
    ]

    shown = {expression for expression in expressions() if prometheus.query(expression)}
    assert any("lost_total" in expression for expression in shown)
    assert any("store_up" in expression for expression in shown)
    with pytest.raises(HTTPError, match="400"):
        prometheus.query("max by (task unique_task_lost_total")
