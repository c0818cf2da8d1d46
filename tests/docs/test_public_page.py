"""The page on what is public names what is there."""

import re
from importlib import import_module

import pytest

from tests.docs.test_readme import ROOT

pytestmark = pytest.mark.any_celery

PAGE = ROOT / "docs" / "public.rst"


def test_the_modules_that_it_names_are_there():
    text = " ".join(PAGE.read_text().split())
    named = set(re.findall(r"``(unique_task(?:\.\w+)*)``", text))
    named -= {"unique_task.__all__", "unique_task.duplicates"}  # names, a logger

    assert len(named) > 5
    for name in named:
        import_module(name)
