"""A walk through the pages of locks in Django's admin, with a real browser."""

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.django.conftest import SEND
from tests.django.site import LOCKS
from unique_task.leases.process import this_process

pytest_plugins = "tests.browser_fixtures"
pytestmark = pytest.mark.any_celery

KEY = "ab" * 16


@pytest.fixture
def log_in(open_page: Any, site: str) -> Callable[..., Page]:
    """Call it for the list of locks of a user who has logged in."""

    def log_in(name: str, **options: Any) -> Page:
        page: Page = open_page(**options)
        page.goto(f"{site}/admin/login/?next={LOCKS}")
        page.get_by_label("Username:").fill(name)
        page.get_by_label("Password:").fill(name)
        page.get_by_role("button", name="Log in").click()
        return page

    return log_in


@pytest.fixture
def two(hold: Callable[..., str], dead: str) -> None:
    """The locks of a run that has died, and of one that lives."""
    hold(KEY, "died", worker="one@shop", process=dead)
    hold("cd" * 16, "lives", worker="one@shop", process=this_process())


def row(page: Page, owner: str) -> Any:
    return page.get_by_role("row").filter(has_text=owner)


def test_a_lock_is_seen_released_and_held(log_in, two, backend):
    page = log_in("ann")
    page.get_by_role("link", name="dead", exact=True).click()
    expect(row(page, "died")).to_be_visible()
    expect(row(page, "lives")).to_have_count(0)

    page.get_by_label("Select all locks on this page").check()
    expect(page.get_by_text("1 of 1 selected")).to_be_visible()
    page.get_by_role("button", name="Go").click()
    expect(row(page, "died")).to_contain_text("would be released")
    page.get_by_role("link", name="No, take me back").click()
    page.get_by_label("Select the lock of died").check()
    page.get_by_role("button", name="Go").click()
    page.get_by_role("button", name="Yes, I’m sure").click()
    expect(page.get_by_text("Locks: 1 released.")).to_be_visible()
    assert not backend.holders(KEY)

    page.get_by_role("link", name="Explain a call").click()
    page.get_by_label("Task:").select_option(SEND)
    page.get_by_label("Arguments:", exact=True).fill("[10]")
    page.get_by_role("button", name="Explain").click()
    expect(row(page, "At run")).to_contain_text("runs")
    page.get_by_role("button", name="Hold the key of this call").click()
    page.get_by_label("For:").fill("5 min")
    page.get_by_label("Reason:").fill("migration")
    page.get_by_role("button", name="Hold the key").click()
    expect(page.get_by_text("Held for 5 min: migration.")).to_be_visible()
    expect(row(page, SEND)).to_contain_text("held by ann: migration")
    page.get_by_role("link", name="History").click()
    expect(row(page, "ann")).to_contain_text("Held for 5 min: migration")


def test_who_may_only_look_has_nothing_to_tick(log_in, two):
    page = log_in("bob")

    expect(row(page, "died")).to_be_visible()
    expect(page.locator("main input[type=checkbox], main [name=action]")).to_have_count(
        0
    )
    expect(page.get_by_role("link", name="Hold a key")).to_have_count(0)


PAGES = (
    "",
    f"{KEY}/change/",
    "counters/",
    "call/",
    "hold/",
    f"release/?key={KEY}",
)

#: The admin's own search has a picture for a label.
CONTEXT = {"include": [["#content"]], "exclude": [["#toolbar"]]}


def test_each_page_is_one_for_a_screen_reader(log_in, two, site):
    page, axe = log_in("ann"), Axe()
    for path in PAGES:
        page.goto(f"{site}{LOCKS}{path}")
        found = axe.run(page, CONTEXT)
        assert not found.response["violations"], (path, found.generate_report())
