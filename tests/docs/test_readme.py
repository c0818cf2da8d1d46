"""The code in the README and in the pages of the documentation runs."""

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from celery.contrib.testing.worker import start_worker
from docutils.core import publish_doctree
from docutils.nodes import literal_block, row

from tests.programs import run_python

ROOT = Path(__file__).parents[2]
README = ROOT / "README.rst"
DOCS = ROOT / "docs"
MAKEFILE = ROOT / "Makefile"

#: Pages whose code makes calls, which a worker has to run: of each version of Celery,
#: or of one.
EACH = ["README", "tutorial", "policies"]
ONE = ["choosing", "questions", "migrating", "options", "body", "upgrading"]
#: Pages whose code is a program.
PROGRAMS = ["stores", "log"]
#: Pages whose code runs in a test of their own.
ELSEWHERE = {
    "backends": "backends/test_own_backend.py",
    "django": "django/test_page.py",
    "metrics": "docs/test_metrics_page.py",
    "operations": "docs/test_operations_page.py",
    "testing": "testing/test_page.py",
    "transactions": "publishing/test_transactions.py",
    "web": "docs/test_web_page.py",
    "webhooks": "docs/test_webhooks_page.py",
}

#: Pages with directives of Sphinx, and those that only include a file.
ONLY_IN_THE_SITE = {"index", "api", "changelog", "contributing"}


def parsed(page: Path) -> Any:
    settings = {"halt_level": 2}
    return publish_doctree(page.read_text(), str(page), settings_overrides=settings)


def literal_blocks(page: Path) -> list[Any]:
    return list(parsed(page).findall(literal_block))


def python_blocks(page: Path, redis_url: str) -> list[str]:
    """The python code of a page, with the server of this test."""
    server = redis_url.removesuffix("0")
    return [
        block.astext().replace("redis://localhost/", server)
        for block in literal_blocks(page)
        if "python" in block["classes"]
    ]


@pytest.mark.parametrize(
    "name", [*EACH, *(pytest.param(name, marks=pytest.mark.any_celery) for name in ONE)]
)
def test_every_code_block_runs(name, redis_url):
    def run(block: str) -> None:
        exec(compile(dedent(block), str(page), "exec"), names)

    page = README if name == "README" else DOCS / f"{name}.rst"
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


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_runs(name, redis_url):
    run_python(
        "\n".join(python_blocks(DOCS / f"{name}.rst", redis_url)),
        options=("-W", "error"),
        check=True,
    )


def test_no_page_has_code_that_nothing_runs():
    with_code = {
        page.stem for page in DOCS.glob("*.rst") if ":: python" in page.read_text()
    }

    assert with_code == {*EACH, *ONE, *PROGRAMS, *ELSEWHERE} - {"README"}
    for name, test in ELSEWHERE.items():
        assert f'"{name}.rst"' in (ROOT / "tests" / test).read_text()


def test_every_page_is_well_formed():
    pages = (page for page in DOCS.glob("*.rst") if page.stem not in ONLY_IN_THE_SITE)
    for page in [README, *pages]:
        # Where a first cell of a simple table goes on in the next line, that is a row.
        rows = [[cell.astext() for cell in each] for each in parsed(page).findall(row)]
        assert [cells for cells in rows if not any(cells[1:])] == [], page


@pytest.mark.parametrize("target", ["demo", "test"])
def test_the_two_commands_are_there(target):
    shell = [block.astext().split()[:2] for block in literal_blocks(README)]

    assert ["make", target] in shell
    assert re.search(rf"^{target}:", MAKEFILE.read_text(), re.MULTILINE)
