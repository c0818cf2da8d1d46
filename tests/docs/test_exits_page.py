"""The documentation shows the table of exits that the tests run."""

import pytest
from docutils.core import publish_doctree
from docutils.nodes import row

from tests.worker.exits import EXITS
from tests.worker.exits_page import PAGE, page_of

pytestmark = pytest.mark.any_celery


def test_the_page_shows_the_table():
    text = PAGE.read_text()

    assert text == page_of(text), "the table has changed: run `make exits`"


def test_the_page_is_valid_and_has_all_rows():
    page = publish_doctree(PAGE.read_text(), settings_overrides={"halt_level": 2})

    assert len(list(page.findall(row))) == 1 + len(EXITS)
