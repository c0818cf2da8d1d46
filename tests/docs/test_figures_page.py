"""The page of figures has the rows of the benchmarks."""

import pytest
from docutils.core import publish_doctree
from docutils.nodes import row

from benchmarks.page import PAGE, page_of
from benchmarks.table import HEAD, NONE, ROWS

pytestmark = pytest.mark.any_celery

GOAL = HEAD.index("goal")


def rows_in(text: str) -> list[list[str]]:
    page = publish_doctree(text, settings_overrides={"halt_level": 2})
    return [[cell.astext() for cell in each.children] for each in page.findall(row)]


def test_the_page_has_every_row_with_its_goal_and_no_other():
    head, *rows = rows_in(PAGE.read_text())

    assert head == HEAD
    shown = {cells[0]: cells[GOAL] for cells in rows}
    wanted = {one.name: str(one.goal) for one in ROWS}
    assert shown == wanted, "the benchmarks have changed: run `make figures`"
    assert len(rows) == len(ROWS)


def test_a_new_run_replaces_the_machine_and_the_table_only():
    text = PAGE.read_text()
    cells = ["a row", "1", "2", NONE, "us", "0.5", "0.4..0.6", "rate over plain"]
    cells += [">= 0.4", "met"]

    written = page_of(page_of(text, {"Python": "2"}, []), {"Python": "3"}, [cells])

    assert rows_in(written) == [HEAD, cells]
    assert ":Python: 3" in written
    assert ":Python: 2" not in written
    assert written.startswith(text.partition(".. The figures begin.")[0])
