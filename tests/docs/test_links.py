"""The links of the README lead to pages of the site, at its address in setup.cfg."""

import re

import pytest
from docutils.nodes import image, reference

from tests.docs.test_readme import DOCS, ONLY_IN_THE_SITE, README, ROOT, parsed

pytestmark = pytest.mark.any_celery

#: The address of the site, which the package index shows, too.
[SITE] = re.findall(r"(?m)^ *Documentation = (.*)$", (ROOT / "setup.cfg").read_text())


def places(page: str) -> set[str]:
    """The sections of a page, by the names that links have for them."""
    if page in ONLY_IN_THE_SITE:
        return set()
    return set(parsed(DOCS / f"{page}.rst").ids)


def test_each_link_of_the_readme_leads_to_a_page_of_the_site():
    links = [link["refuri"] for link in parsed(README).findall(reference)]

    assert len(links) > 10
    for link in links:
        page, _, place = link.removeprefix(SITE).partition("#")
        assert link.startswith(SITE) and page.endswith(".html"), link
        assert (DOCS / page).with_suffix(".rst").exists(), link
        assert not place or place in places(page.removesuffix(".html")), link


def test_the_picture_of_the_readme_is_one_of_the_site():
    [picture] = parsed(README).findall(image)
    name = picture["uri"].removeprefix(f"{SITE}_static/")

    assert (DOCS / "pictures" / name).exists(), picture["uri"]
    assert 'html_static_path = ["pictures"]' in (DOCS / "conf.py").read_text()


def test_the_readme_is_two_screens():
    lines = README.read_text().splitlines()
    assert len([line for line in lines if not line.startswith(".. _")]) <= 140


def test_the_address_is_one_below_which_links_can_lead():
    assert SITE.startswith("https://") and SITE.endswith("/")
