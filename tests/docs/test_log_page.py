"""The page about the log quotes lines that the code writes."""

import ast
import re
from pathlib import Path

import pytest
from docutils.core import publish_doctree
from docutils.nodes import literal

import unique_task
from tests.docs.test_readme import ROOT

pytestmark = pytest.mark.any_celery

CODE = Path(unique_task.__file__).parent
PAGE = ROOT / "docs" / "log.rst"

#: The parts of a quoted line that differ from line to line.
VARIABLE = re.compile(
    r"t\[\w\]|\b[abc]\b|\d+|\.\.\.|SUCCESS|waits for|, back in|maxmemory-policy"
    "|held by ann: migration"
)

OF_CELERY = "Task t[b] ignored"


def quotes() -> list[str]:
    document = publish_doctree(PAGE.read_text(), settings_overrides={"halt_level": 2})
    texts = [one_line(node.astext()) for node in document.findall(literal)]
    return [text for text in texts if " " in text and text != OF_CELERY]


def one_line(text: str) -> str:
    return " ".join(text.split())


def texts_of_the_code() -> list[str]:
    return [
        node.value
        for path in CODE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def test_every_quoted_line_is_in_the_code():
    code = texts_of_the_code()
    missing = [
        quote
        for quote in quotes()
        for part in map(str.strip, VARIABLE.split(quote))
        if part and not any(part in text for text in code)
    ]

    assert len(quotes()) > 30
    assert missing == []
