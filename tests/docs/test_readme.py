"""The code in the README and in the pages of the documentation runs."""

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from celery.contrib.testing.worker import start_worker
from docutils.core import publish_doctree
from docutils.nodes import literal_block

ROOT = Path(__file__).parents[2]
README = ROOT / "README.rst"
PAGES = [README] + [
    ROOT / "docs" / f"{name}.rst"
    for name in ("tutorial", "choosing", "questions", "migrating")
]
MAKEFILE = ROOT / "Makefile"

#: Pages with directives of Sphinx, and those that only include a file.
ONLY_IN_THE_SITE = {"index", "api", "readme", "changelog", "contributing"}


def literal_blocks(page: Path) -> list[Any]:
    settings = {"halt_level": 2}
    document = publish_doctree(page.read_text(), str(page), settings_overrides=settings)
    return list(document.findall(literal_block))


def python_blocks(page: Path, redis_url: str) -> list[str]:
    """The python code of a page, with the server of this test."""
    server = redis_url.removesuffix("0")
    return [
        block.astext().replace("redis://localhost/", server)
        for block in literal_blocks(page)
        if "python" in block["classes"]
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_code_block_runs(page, redis_url):
    def run(block: str) -> None:
        exec(compile(dedent(block), str(page), "exec"), names)

    names: dict[str, Any] = {"__name__": page.stem}
    blocks = python_blocks(page, redis_url)
    # All tasks are defined before the worker starts, also those whose body sends one.
    sent = re.compile(r"\.(delay|apply_async)\(")
    calls = [one for one in blocks if sent.search(one) and "@app.task" not in one]
    assert calls

    for block in blocks:
        if block not in calls:
            run(block)
    app = names["app"]
    with start_worker(app, pool="threads", concurrency=2, perform_ping_check=False):
        for block in calls:
            run(block)
    app.close()


def test_every_page_is_well_formed_and_linked_from_the_readme():
    for page in (ROOT / "docs").glob("*.rst"):
        if page.stem not in ONLY_IN_THE_SITE:
            literal_blocks(page)
            assert f"docs/{page.name}" in README.read_text()


@pytest.mark.parametrize("target", ["demo", "test"])
def test_the_two_commands_are_there(target):
    shell = [block.astext().split()[:2] for block in literal_blocks(README)]

    assert ["make", target] in shell
    assert re.search(rf"^{target}:", MAKEFILE.read_text(), re.MULTILINE)
