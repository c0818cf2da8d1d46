"""Each page of the web page, in a browser: for everybody, and with hostile names."""

import re
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from tests.counting.counted import flushed
from tests.for_everybody import assert_accessible, assert_narrow
from tests.worker.operating.browser.held import (
    HOSTILE,
    dead_process,
    hostile,
    of_each_kind,
    record,
    take,
)
from unique_task.counting import names
from unique_task.counting.tally import count
from unique_task.pages.words import shown

pytest_plugins = "tests.browser_fixtures"

pytestmark = [pytest.mark.worker, pytest.mark.any_celery]

#: Locks of one task.
MANY = 10_000

#: The path of each page, with names of keys in braces, and the status of its answer.
PAGES = {
    "tasks": ("/", 200),
    "locks": ("/locks", 200),
    "a bad filter": ("/locks?older_than=soon", 400),
    "a lock": ("/lock?wanted={running}", 200),
    "an unknown lock": ("/lock?wanted=nobody", 404),
    "a call": ("/call?wanted=operated.renewed&args=[7]", 200),
    "doctor": ("/doctor", 200),
    "release": ("/release?key={running}&key={dead}", 200),
    "hold": ("/hold", 200),
    "an error": ("/nowhere", 404),
}


@pytest.fixture(scope="module")
def refresh() -> float:
    """So long that no page changes before a test has seen it."""
    return 600


@pytest.fixture(scope="module")
def keys(store) -> dict[str, str]:
    return of_each_kind(store)


@pytest.mark.parametrize("path, status", PAGES.values(), ids=PAGES)
def test_a_page_is_for_everybody_and_fits_on_a_phone(page, site, keys, path, status):
    answer = page.goto(site + path.format(**keys))

    assert answer.status == status
    assert_accessible(page)
    assert_narrow(page)


def test_a_table_of_locks_is_read_aloud_as_one(page, site, keys):
    page.goto(f"{site}/locks?task=shop.ship")

    expect(page.get_by_role("table")).to_match_aria_snapshot(f"""
        - table "Locks that are held, in no order":
          - caption
          - rowgroup:
            - row:
              - columnheader "Choose"
              - columnheader "Task and key"
              - columnheader "State"
              - columnheader "Verdict"
              - columnheader "Since"
              - columnheader "Left"
              - columnheader "Worker"
              - columnheader "Owner"
          - rowgroup:
            - row:
              - cell:
                - checkbox "Choose {keys['dead'][:8]} of shop.ship"
              - rowheader "shop.ship {keys['dead']}":
                - link "{keys['dead']}"
              - cell "running"
              - cell "dead"
              - cell /ago/
              - cell /min/
              - cell "celery@gone"
              - cell
        """)


def test_the_keyboard_is_enough_to_release_a_lock(page, site, store):
    key = take(store, record("shop.keys", process=dead_process()))
    page.goto(f"{site}/locks?task=shop.keys")

    tab_to(page, "Skip to content")
    page.keyboard.press("Enter")
    assert tab(page) == "task"
    tab_to(page, key)
    page.keyboard.press("Enter")
    page.wait_for_url("**/lock?*")
    tab_to(page, "Release…")
    page.keyboard.press("Enter")
    page.wait_for_url("**/release?*")
    tab_to(page, "by")
    page.keyboard.type("ann")
    page.keyboard.press("Enter")

    expect(page.locator(".done")).to_have_text("1 released")
    assert not store.holders(key)


def tab(page: Page) -> str:
    """Press it once; return what has the focus: its text, or the name of a field."""
    page.keyboard.press("Tab")
    focused = "document.activeElement"
    return str(page.evaluate(f"{focused}.name || {focused}.textContent.trim()"))


def tab_to(page: Page, wanted: str) -> None:
    """Press it until the focus is there, and can be seen to be."""
    passed = []
    while (found := tab(page)) != wanted:
        passed.append(found)
        assert len(passed) < 60, passed
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"


def test_colours_are_those_that_the_reader_prefers(open_page, site):
    def brightness(scheme: str) -> int:
        page = open_page(color_scheme=scheme)
        page.goto(f"{site}/locks")
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(int(part) for part in re.findall(r"\d+", colour)[:3])

    assert brightness("dark") < 200 < 600 < brightness("light")


def test_nothing_moves_on_the_page(page, site, keys):
    page.goto(f"{site}/locks")

    moves = page.evaluate("""() => {
            const styles = [...document.querySelectorAll("*")].map(
                (element) => getComputedStyle(element));
            return styles.filter(({animationName, transitionDuration}) =>
                animationName !== "none" || transitionDuration !== "0s").length;
        }""")

    assert moves == 0


def in_short(name: str) -> str:
    """A name as it stands in a table of many."""
    text = shown(name)
    return text if len(text) <= 60 else f"{text[:57]}..."


def test_hostile_names_are_shown_as_texts(page, site, store):
    for run in hostile(store):
        count(store, run.task, names.RUNS, 1.0)
    assert flushed()

    for path in ("", "/locks"):
        page.goto(site + path)
        for name in HOSTILE:
            page.get_by_role("rowheader", name=in_short(name)).first.hover()
        assert_harmless(page)
    for name in HOSTILE:
        page.goto(f"{site}/lock?{urlencode({'wanted': name})}")
        expect(page.get_by_label("Key, id of a task")).to_have_value(shown(name))
        expect(page.get_by_role("rowheader", name=shown(name))).to_have_count(1)
        assert_harmless(page)


def assert_harmless(page: Page) -> None:
    """Fail if the page has anything of what a name has tried to put there."""
    added = "main img, main script, main iframe, [onmouseover], [autofocus]"
    assert page.locator(added).count() == 0
    addresses = page.evaluate("[...document.links].map(link => link.protocol)")
    assert set(addresses) == {"http:"}


@pytest.fixture(scope="module")
def many(store) -> int:
    """So many locks of ``shop.many``."""
    for _ in range(MANY):
        take(store, record("shop.many"))
    return MANY


def test_of_many_locks_a_page_is_read_and_shown(page, site, many, redis_server):
    redis_server.reset_counts()

    page.goto(f"{site}/locks?task=shop.many")

    assert redis_server.command_counts()["get"] < many / 5
    first = keys_on(page)
    page.get_by_role("link", name="Next page").click()
    expect(page.locator("caption")).to_contain_text("page 2")
    second = keys_on(page)
    assert len({*first, *second}) == 100
    page.get_by_role("link", name="Previous page").click()
    expect(page.locator("caption")).to_contain_text("page 1")
    assert keys_on(page) == first


def test_a_filter_finds_one_of_many_locks(page, site, many, keys):
    page.goto(f"{site}/locks")

    page.get_by_label("Task").fill("shop.sh*")
    page.get_by_label("Verdict").select_option("dead")
    page.get_by_role("button", name="Filter").click()

    expect(page.get_by_role("link", name=keys["dead"])).to_be_visible()
    assert keys_on(page) == [keys["dead"]]


def keys_on(page: Page) -> list[str]:
    """The keys of the locks on the page."""
    return page.locator("tbody a.id").all_inner_texts()
