"""``make bench`` measures the rows that are asked for, and starts no more for them."""

import subprocess
import sys

import pytest

from benchmarks.__main__ import measure
from benchmarks.measured import Measured, count
from benchmarks.row import Row, at_least, at_most, no_goal
from benchmarks.stage import Stage
from benchmarks.table import ROWS, chosen
from tests.programs import run


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "-m", "benchmarks", *arguments)


def test_a_row_is_measured_by_its_name():
    done = bench("--quick", "bytes of a lock in Redis")

    _, line = done.stdout.splitlines()
    assert line.startswith("bytes of a lock in Redis")
    assert line.endswith("met")


def test_an_unknown_name_is_an_error_that_lists_the_known_ones():
    done = bench("--quick", "bytes of a lokc")

    assert done.returncode == 2
    assert "'bytes of a lokc'" in done.stderr
    assert set(names()) <= {line.strip() for line in done.stderr.splitlines()}


def test_the_list_names_all_rows_and_measures_none():
    assert bench("--list").stdout.splitlines() == names()


def test_a_page_of_some_rows_is_refused():
    done = bench("--page", "bytes of a lock in Redis")

    assert "the page needs all rows" in done.stderr


def test_a_row_that_fails_does_not_end_the_others(capsys):
    def fail(stage: Stage) -> Measured:
        raise OSError("no answer")

    bad = Row("bad", no_goal(), fail)
    good = Row("good", no_goal(), lambda stage: count(1, "bytes"))

    with pytest.raises(SystemExit, match="not measured: bad"):
        measure([bad, good], pairs=1, for_page=False)

    out, err = capsys.readouterr()
    assert "good" in out
    assert "no answer" in err


def test_no_two_rows_have_one_name():
    assert len(set(names())) == len(names())


def test_a_part_of_a_name_means_all_rows_that_contain_it():
    rows = chosen(["No-Ops"])

    assert [row.name for row in rows] == [
        "no-ops on solo",
        "no-ops on solo, no results",
    ]


def test_a_whole_name_means_that_row_only():
    assert [row.name for row in chosen(["no-ops on solo"])] == ["no-ops on solo"]


def test_rows_keep_the_order_of_the_table():
    asked = [row.name for row in chosen(["bytes of a lock", "refused publish"])]

    assert asked == [name for name in names() if name in asked]


def test_a_stage_starts_nothing_that_no_row_asks_for():
    with Stage(pairs=1) as stage:
        assert "locks" not in vars(stage)
        assert stage.locks.answers()
        assert "urls" not in vars(stage)


@pytest.mark.parametrize(
    ("goal", "value", "verdict"),
    [
        (at_most(2), 2, "met"),
        (at_most(2), 3, "missed by 50%"),
        (at_least(0.8), 0.9, "met"),
        (at_least(0.8), 0.4, "missed by 50%"),
        (at_most(0), 1, "missed by 100%"),
        (no_goal(), 1, ""),
    ],
)
def test_a_goal_says_by_how_much_it_is_missed(goal, value, verdict):
    assert goal.verdict(value) == verdict


def names() -> list[str]:
    return [row.name for row in ROWS]
