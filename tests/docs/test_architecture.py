"""The pages for those who change the code name only what is there."""

import ast
import re
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
from docutils.core import publish_doctree
from docutils.nodes import list_item, literal, literal_block, row

import unique_task
from tests.docs.test_readme import ROOT

pytestmark = pytest.mark.any_celery

CODE = Path(unique_task.__file__).parent
ARCHITECTURE = ROOT / "docs" / "architecture.rst"
CONTRIBUTING = ROOT / "CONTRIBUTING.rst"

PAGES = pytest.mark.parametrize(
    "page", [ARCHITECTURE, CONTRIBUTING], ids=lambda page: page.stem
)

#: A file or a folder, as seen from ``unique_task/`` or from the top.
PATH = re.compile(r"[\w./]+/|[\w/]+\.(?:py|rst|cfg|in)|Makefile")
FUNCTION = re.compile(r"[\w.]+\(\)")
OF_CELERY = {"delay()"}
#: A class or a constant.
NAME = re.compile(r"[A-Z][A-Za-z_]+")


def parsed(page: Path) -> Any:
    return publish_doctree(page.read_text(), settings_overrides={"halt_level": 2})


def literals(node: Any) -> list[str]:
    return [found.astext() for found in node.findall(literal)]


def path_of(text: str) -> Path:
    return next((p for p in (CODE / text, ROOT / text) if p.exists()), CODE / text)


def sources(texts: list[str]) -> list[Path]:
    """The python files among some literals."""
    return [path_of(text) for text in texts if text.endswith(".py")]


def names_in(path: Path) -> Iterator[str]:
    """The names that a file defines, those of a class also as ``Class.name``."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (each.id for each in targets if isinstance(each, ast.Name))
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        if isinstance(node, ast.ClassDef):
            functions = (n for n in node.body if isinstance(n, ast.FunctionDef))
            yield from (f"{node.name}.{function.name}" for function in functions)


@PAGES
def test_every_file_is_there(page):
    paths = {text for text in literals(parsed(page)) if PATH.fullmatch(text)}

    assert paths
    assert [text for text in paths if not path_of(text).exists()] == []


@PAGES
def test_every_function_is_in_the_file_beside_it(page):
    checked = 0
    for item in parsed(page).findall(lambda n: isinstance(n, list_item | row)):
        texts = literals(item)
        files = sources(texts)
        defined = {name for path in files for name in names_in(path)}
        for name in named(texts, names=bool(files)):
            assert name in defined, f"{name} is not in {files}"
            checked += 1

    assert checked


def named(texts: list[str], names: bool) -> Iterator[str]:
    """The functions among some literals, and the classes and constants if `names`."""
    for text in texts:
        if FUNCTION.fullmatch(text) and text not in OF_CELERY:
            yield text.removesuffix("()")
        elif names and NAME.fullmatch(text) and not PATH.fullmatch(text):
            yield text


def test_the_diagram_names_functions_of_the_code():
    diagram = next(
        block.astext()
        for block in parsed(ARCHITECTURE).findall(literal_block)
        if "free" in block.astext()
    )
    every = {f"{name}()" for path in CODE.rglob("*.py") for name in names_in(path)}
    shown = set(FUNCTION.findall(diagram))

    assert shown
    assert shown - every == set()


def test_the_rooms_are_those_of_the_code():
    rows = parsed(ARCHITECTURE).findall(row)
    cells = [[one_line(cell.astext()) for cell in each.children] for each in rows]
    shown = {first: rest for first, rest, *_ in cells if first.endswith("/")}
    docs = {
        f"{package.parent.name}/": ast.get_docstring(ast.parse(package.read_text()))
        for package in CODE.glob("*/__init__.py")
    }

    assert shown == {room: one_line(doc or "") for room, doc in docs.items()}


def one_line(text: str) -> str:
    return " ".join(text.replace("``", "").split())


def test_the_direction_of_imports_is_that_of_the_linter():
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    layers = setup["importlinter:contract:rooms"]["layers"].strip().splitlines()
    blocks = [block.astext() for block in parsed(ARCHITECTURE).findall(literal_block)]

    assert layers in [re.split(r"\s*>\s*", block) for block in blocks]


def test_the_distribution_has_the_page_beside_the_readme():
    assert "CONTRIBUTING.rst" in (ROOT / "MANIFEST.in").read_text()
