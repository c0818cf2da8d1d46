"""The page on metrics: its code runs; board and alerts ask for what there is."""

import json
import re

import pytest

from tests.docs.test_readme import ROOT, python_blocks
from tests.programs import run_python
from unique_task.operating import MEASURES, Kind

pytestmark = pytest.mark.any_celery

PAGE = ROOT / "docs" / "metrics.rst"
BOARD = ROOT / "docs" / "monitoring" / "grafana.json"
ALERTS = ROOT / "docs" / "monitoring" / "alerts.yml"

#: Ends of the names that Prometheus has of a measure.
ENDS = {Kind.COUNTER: ["_total"], Kind.SECONDS: ["_sum", "_count"], Kind.GAUGE: [""]}

#: Any metric of ours.
METRIC = r"\bunique_task_\w+"

#: Runs a call between two scrapes, with what the page has registered.
SHOWN = """
from prometheus_client import generate_latest
from shop import charge
generate_latest()
charge(7)
print(generate_latest().decode())
"""


def served() -> set[str]:
    return {
        f"unique_task_{measure.name}{end}"
        for measure in MEASURES
        for end in ENDS[measure.kind]
    }


def test_its_code_runs(tmp_path, redis_url):
    shop, prometheus, instruments, spans = python_blocks(PAGE, redis_url)
    (tmp_path / "shop.py").write_text(shop)
    path = {"PYTHONPATH": f"{tmp_path}:{ROOT}"}

    code = "\n".join([prometheus, instruments, spans, "trace()", SHOWN])
    done = run_python(code, check=True, env=path)

    assert 'unique_task_runs_total{task="shop.charge"} 1.0' in done.stdout


def test_its_table_has_the_metrics_that_are_served():
    kinds = {f"unique_task_{one.name}": ENDS[one.kind] for one in MEASURES}
    shown = set(re.findall(rf"(?m)^``({METRIC})``  ", PAGE.read_text()))

    assert shown == {
        name if len(ends) > 1 else name + ends[0] for name, ends in kinds.items()
    }


def test_the_board_asks_for_metrics_that_are_served():
    board = json.loads(BOARD.read_text())
    targets = [one["expr"] for panel in board["panels"] for one in panel["targets"]]

    asked = {name for expr in targets for name in re.findall(METRIC, expr)}
    assert len(asked) > len(MEASURES) / 2
    assert asked <= served()


def test_the_alerts_ask_for_metrics_that_are_served_and_stand_on_the_page():
    rules = ALERTS.read_text()

    asked = set(re.findall(METRIC, rules))
    assert asked <= served()
    alerts = re.findall(r"- alert: (\w+)", rules)
    assert alerts and alerts == re.findall(r"(?m)^``(Unique\w+)``", PAGE.read_text())
