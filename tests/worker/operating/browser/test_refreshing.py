"""An open page looks again by itself, and leaves alone what a person does there."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.waiting import wait_until
from tests.worker.operating.browser.conftest import REFRESH
from tests.worker.operating.browser.held import record, take

pytest_plugins = "tests.browser_fixtures"

pytestmark = [pytest.mark.worker, pytest.mark.any_celery]

#: Milliseconds in which an open page would have looked again.
LOOKS = 5000 * REFRESH

LOCKS = "/locks?task=shop.*"


def row(page: Page, task: str) -> Locator:
    return page.get_by_role("row").filter(has_text=task)


@pytest.fixture
def asked(page):
    """What the page asks for after it was loaded: URLs."""
    urls = []
    page.on("request", lambda request: urls.append(request.url))
    return urls


@pytest.fixture
def looked(page, site):
    """An open page of locks that has looked again."""
    page.goto(site + LOCKS)
    expect(page.locator("#looked")).to_contain_text("Looked at")
    return page


def test_a_table_changes_without_a_reload(looked, site, store):
    page = looked
    page.evaluate("window.loadedOnce = true")
    page.get_by_label("Worker").fill("typed, and not sent")
    page.get_by_label("Worker").focus()
    key = take(store, one := record("shop.new"))

    # Not while somebody types: some seconds later.
    expect(row(page, "shop.new")).to_be_visible()
    store.release(key, one.token)
    expect(row(page, "shop.new")).to_have_count(0)

    assert page.evaluate("window.loadedOnce")
    expect(page.get_by_label("Worker")).to_be_focused()
    expect(page.get_by_label("Worker")).to_have_value("typed, and not sent")


def test_what_is_chosen_in_the_table_stays_chosen_and_focused(looked, store):
    page = looked
    take(store, record("shop.chosen"))
    box = row(page, "shop.chosen").get_by_role("checkbox")
    box.check()

    take(store, record("shop.another"))
    expect(row(page, "shop.another")).to_be_visible()

    expect(box).to_be_checked()
    expect(box).to_be_focused()


def test_a_page_that_is_paused_does_not_look_until_it_goes_on(looked, store, asked):
    page = looked
    page.get_by_role("button", name="Pause refreshing").click()
    take(store, record("shop.unseen"))
    asked.clear()
    page.wait_for_timeout(LOOKS)
    assert asked == []

    page.reload()
    expect(page.get_by_role("button", name="Refresh again")).to_be_visible()
    asked.clear()
    page.wait_for_timeout(LOOKS)
    assert asked == []

    page.get_by_role("button", name="Refresh again").click()
    take(store, record("shop.seen"))
    expect(row(page, "shop.seen")).to_be_visible()


def test_a_page_that_nobody_sees_does_not_look(looked, asked):
    page = looked
    show(page, "hidden")
    # One look may be under way.
    page.wait_for_timeout(LOOKS)
    asked.clear()
    page.wait_for_timeout(LOOKS)
    assert asked == []

    show(page, "visible")
    wait_until(lambda: page.wait_for_timeout(20) or asked)


def show(page: Page, state: str) -> None:
    """Say to the page that its tab is shown, or not: it always is, without a window."""
    page.evaluate(
        """state => {
            const set = (name, value) =>
                Object.defineProperty(document, name, {value, configurable: true});
            set("visibilityState", state);
            set("hidden", state === "hidden");
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        state,
    )
