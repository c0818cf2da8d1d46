import os
import re
import sys
from pathlib import Path

import pytest

from tests.programs import run

pytestmark = pytest.mark.any_celery

DEMO = Path(__file__).parents[2] / "docs" / "demo" / "demo.py"

ENDS = ["ran", "ignored", "skipped", "cached", "failed"]

#: How a duplicate of each task ends, by the demo's own columns.
GUARDED = {
    "ship": "ignored",
    "notify": "skipped",
    "invoice": "cached",
    "charge": "ran",
    "refund": "failed",
}


def run_demo(*options: str) -> dict[str, dict[str, str]]:
    """The rows of the table that the demo prints, by task."""
    environment = {k: v for k, v in os.environ.items() if k != "REDIS_URL"}
    demo = run(sys.executable, DEMO, *options, env=environment)
    assert (demo.returncode, demo.stderr) == (0, ""), demo.stdout + demo.stderr
    return table_in(demo.stdout)


def table_in(output: str) -> dict[str, dict[str, str]]:
    rows = [re.split(" {2,}", line) for line in output.splitlines()]
    columns = next(row for row in rows if row[0] == "task")
    table = [row for row in rows if len(row) == len(columns)]
    return {row[0]: dict(zip(columns, row)) for row in table[1:]}


def numbers(row: dict[str, str]) -> dict[str, int]:
    return {name: int(cell) for name, cell in row.items() if cell.isdigit()}


def check(table: dict[str, dict[str, str]]) -> None:
    assert list(table) == ["charge_plain", *GUARDED]
    plain = numbers(table["charge_plain"])
    assert plain["ran"] == plain["triggered"] == 12
    assert plain["overlaps"] > 0
    for task, end in GUARDED.items():
        row = numbers(table[task])
        assert row["overlaps"] == 0
        assert row["triggered"] == 12 == row["ran"] + sum(row[e] for e in ENDS[1:])
        assert row[end] >= 1 and row["ran"] >= 2
        assert all(row[other] == 0 for other in {*ENDS} - {"ran", end})


def test_the_demo_on_embedded_defaults_adds_up():
    check(run_demo())


@pytest.mark.worker
def test_the_demo_on_redis_adds_up_and_takes_its_queue_away(redis_url, redis_server):
    check(run_demo("--redis", redis_url))

    assert redis_server.client.keys("*unique-task-demo*") == []


def test_the_demo_says_what_is_wrong_without_a_redis():
    demo = run(sys.executable, DEMO, "--redis", "redis://127.0.0.1:1")

    assert demo.returncode == 1
    assert demo.stderr.startswith("Error: no Redis to use")
