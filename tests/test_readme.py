"""What the README says works as it stands there."""

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from celery.contrib.testing.worker import start_worker
from docutils.core import publish_doctree
from docutils.nodes import literal_block

README = Path(__file__).parent.parent / "README.rst"
MAKEFILE = README.parent / "Makefile"


def literal_blocks() -> list[Any]:
    document = publish_doctree(README.read_text(), settings_overrides={"halt_level": 2})
    return list(document.findall(literal_block))


def python_blocks(redis_url: str) -> list[str]:
    """The code, with the server of this test for the one it names."""
    server = redis_url.removesuffix("0")
    return [
        block.astext().replace("redis://localhost/", server)
        for block in literal_blocks()
        if "python" in block["classes"]
    ]


def run(block: str, names: dict[str, Any]) -> None:
    exec(compile(dedent(block), str(README), "exec"), names)


def test_every_code_block_runs(redis_url):
    names: dict[str, Any] = {"__name__": "readme"}
    blocks = python_blocks(redis_url)
    calls = [block for block in blocks if ".delay(" in block]
    assert calls

    for block in blocks:
        if block not in calls:
            run(block, names)
    app = names["app"]
    with start_worker(app, pool="threads", concurrency=2, perform_ping_check=False):
        for block in calls:
            run(block, names)
    app.close()


@pytest.mark.parametrize("target", ["demo", "test"])
def test_the_two_commands_are_there(target):
    shell = [block.astext().split()[:2] for block in literal_blocks()]

    assert ["make", target] in shell
    assert re.search(rf"^{target}:", MAKEFILE.read_text(), re.MULTILINE)
