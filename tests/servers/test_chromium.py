"""The browser of the tests: what it reaches, and what it hears of a page."""

import re

import pytest
from playwright.sync_api import Error

from tests.waiting import wait_until

pytest_plugins = "tests.browser_fixtures"


def test_pages_of_one_browser_share_nothing(open_page, tmp_path):
    (tmp_path / "page.html").write_text("<p>text</p>")
    first, second = open_page(), open_page()
    for page in (first, second):
        page.goto((tmp_path / "page.html").as_uri())

    first.evaluate("localStorage.setItem('seen', 'yes')")

    assert first.evaluate("localStorage.getItem('seen')") == "yes"
    assert second.evaluate("localStorage.getItem('seen')") is None


def test_another_machine_is_not_reached(page):
    with pytest.raises(Error, match="ERR_NAME_NOT_RESOLVED"):
        page.goto("http://example.com/")


@pytest.mark.parametrize(
    "script, complaint",
    [
        ("throw new Error('broken')", "error: .*broken"),
        ("alert('hello')", "dialog: hello"),
        ("console.error('oh')", "oh"),
        ("new Image().src = 'http://a.example/'", ".*ERR_NAME_NOT_RESOLVED"),
    ],
    ids=["error", "dialog", "console", "resource"],
)
def test_what_goes_wrong_in_a_page_is_heard(page, complaints, script, complaint):
    page.set_content(f"<script>setTimeout(() => {{{script}}})</script><p>text</p>")

    # Nothing is heard while no call of Playwright is under way.
    [heard] = wait_until(lambda: page.wait_for_timeout(10) or complaints)
    assert re.match(complaint, heard)
    complaints.clear()


def test_text_is_drawn_with_the_font_that_is_asked_for(page):
    words = "<span style='font-family: {}'>iiii</span><br>"
    page.set_content(words.format("sans-serif") + words.format("monospace"))

    plain, mono = (word.bounding_box() for word in page.locator("span").all())

    assert 0 < plain["width"] < mono["width"]
