"""The pictures show what a worker does."""

import re

import pytest

from tests.docs.pictures import FOLDER, pictures
from tests.docs.test_readme import ROOT

pytestmark = pytest.mark.any_celery


def test_the_pictures_are_those_that_a_worker_makes():
    made = pictures()

    assert made.keys() == set(FOLDER.glob("*.svg"))
    for path, picture in made.items():
        assert path.read_text() == picture, "it has changed: run `make pictures`"


def test_a_page_shows_each_picture_and_says_what_is_on_it():
    pages = (page.read_text() for page in (ROOT / "docs").glob("*.rst"))
    text = " ".join(" ".join(pages).split())

    for path in FOLDER.glob("*.svg"):
        [said] = re.findall('aria-label="(.*?)"', path.read_text())
        assert f".. image:: pictures/{path.name} :alt: {said}" in text
