"""The table of the doctor's checks has each check of the code, and no other."""

import ast
from collections.abc import Iterator

import pytest
from docutils.nodes import literal, row

from tests.docs.test_architecture import CODE, parsed
from tests.docs.test_readme import ROOT

pytestmark = pytest.mark.any_celery

PAGE = ROOT / "docs" / "operations.rst"

#: What makes a finding; the name of its check comes first.
MAKERS = {
    *("Finding", "compared", "_found", "_by_no_clock"),
    *("_persisted", "_replicated"),
}


def names_in_the_code() -> Iterator[str]:
    for path in CODE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in MAKERS:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield first.value


def names_on_the_page() -> Iterator[str]:
    for each in parsed(PAGE).findall(row):
        cells = each.children
        names = [found.astext() for found in cells[0].findall(literal)]
        if len(cells) == 2 and names and names[0] not in ("alive", "dead", "unknown"):
            yield from names


def test_the_table_has_each_check():
    # A hold names the workers that it does not reach; the doctor does not.
    code = set(names_in_the_code()) - {"hold"}

    assert len(code) > 20
    assert code <= set(names_on_the_page())
