"""What somebody does by the web page, beside a worker: releases, and holds."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.waiting import wait_until
from tests.worker.operating.browser.conftest import TASKS, serving
from tests.worker.operating.test_hold import holders
from tests.worker.tasks_operated import RENEWED, WAITING, WATCHFUL
from unique_task.options.guarded_class import spec_of

pytest_plugins = "tests.browser_fixtures"

pytestmark = [
    pytest.mark.worker,
    pytest.mark.any_celery,
    pytest.mark.usefixtures("worker"),
]


@pytest.fixture(scope="module")
def worker(start_module_worker):
    """One whose leases are renewed each second."""
    return start_module_worker(
        pool="threads", settings={"unique_lease": 3}, environment=TASKS
    )


@pytest.fixture(scope="module")
def site(module_unique):
    """The URL of a page that lets anybody release and hold, and asks the worker."""
    with serving(module_unique, "--allow-actions", "--timeout", 1) as url:
        yield url


@pytest.fixture(scope="module")
def reading_site(module_unique):
    """The URL of a page to look at only."""
    with serving(module_unique, "--timeout", 0) as url:
        yield url


def done(page: Page) -> Locator:
    """What the page says of what was done."""
    return page.locator(".done")


def test_a_release_takes_the_lock_away_and_the_call_that_waits_starts(
    page, site, running, witness, key
):
    first = running(WATCHFUL)
    second = WATCHFUL.delay(key, 2)
    wait_until(lambda: witness.waits(second.id))
    page.goto(site)

    page.get_by_role("link", name="Locks").click()
    row = page.get_by_role("row").filter(has_text=first.id)
    row.get_by_role("link").click()
    expect(page.get_by_role("region", name="Calls that wait")).to_contain_text("1")
    page.get_by_role("link", name="Release").click()
    page.get_by_label("Your name").fill("ann")
    page.get_by_role("button", name="Release").click()
    expect(done(page)).to_contain_text("1 refused")
    assert [record.owner for record in holders(WATCHFUL, key)] == [first.id]

    page.get_by_role("link", name="Release").click()
    page.get_by_label("Your name").fill("ann")
    page.get_by_label("Take the lock away from runs").check()
    page.get_by_role("button", name="Release").click()

    expect(done(page)).to_contain_text("1 released")
    wait_until(lambda: witness.runs(key) == 2)
    assert first.get(timeout=30) == "released by ann"
    assert [record.owner for record in holders(WATCHFUL, key)] == [second.id]
    # Without a reload.
    expect(page.locator("#live")).to_contain_text(second.id)


def test_a_hold_keeps_a_call_waiting_until_it_is_released(page, site, witness, key):
    page.goto(f"{site}/hold")
    page.get_by_label("Key, or task").fill(WAITING.name)
    page.get_by_label("Arguments of a call, a JSON array").fill(f'["{key}"]')
    page.get_by_label("For how long").fill("10 min")
    page.get_by_label("Reason").fill("<b>bold</b> move")
    page.get_by_label("Your name").fill("ann")
    page.get_by_role("button", name="Hold").click()
    expect(done(page)).to_contain_text("is held by ann for 10 min")
    expect(page.locator("#live")).to_contain_text("held by ann: <b>bold</b> move")
    witness.open(key)
    waiting = WAITING.delay(key)
    wait_until(lambda: witness.waits(waiting.id))

    page.get_by_role("link", name="Release").click()
    page.get_by_label("Your name").fill("bob")
    page.get_by_role("button", name="Release").click()

    expect(done(page)).to_have_text("1 released")
    assert waiting.get(timeout=60) == 1


def test_a_page_to_look_at_has_no_forms_and_takes_none(
    page, reading_site, running, key
):
    first = running(RENEWED)
    [record] = holders(RENEWED, key)
    digest = spec_of(RENEWED).digest(RENEWED, (key,), {})
    page.goto(f"{reading_site}/lock?wanted={first.id}")
    expect(page.locator("#live")).to_contain_text(first.id)

    assert page.locator("form:not([method=get])").count() == 0
    assert page.get_by_role("link", name=re.compile("Release|Hold")).count() == 0
    for path in ("release", "hold"):
        form = {"key": digest, "token": record.token, "running": "on", "by": "eve"}
        answer = page.request.post(f"{reading_site}/{path}", form=form)
        assert answer.status in (400, 403, 404)
    assert holders(RENEWED, key) == [record]


@pytest.mark.parametrize("token", ["", "forged"], ids=["no token", "a forged token"])
def test_a_form_that_the_page_did_not_make_does_nothing(
    page, site, running, key, token
):
    first = running(RENEWED)
    page.goto(f"{site}/lock?wanted={first.id}")
    page.get_by_role("link", name="Release").click()
    page.get_by_label("Your name").fill("eve")
    page.get_by_label("Take the lock away from runs").check()
    page.locator("[name=csrf_token]").evaluate(f"(field) => field.value = '{token}'")

    with page.expect_response("**/release") as answer:
        page.get_by_role("button", name="Release").click()

    assert answer.value.status == 400
    expect(page.get_by_role("alert")).to_contain_text("Nothing was done")
    assert [record.owner for record in holders(RENEWED, key)] == [first.id]
