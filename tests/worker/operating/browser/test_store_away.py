"""A store that is away: the web page says so, and goes on when it is back."""

from dataclasses import replace

import pytest
from playwright.sync_api import expect

from tests.servers import RedisServer
from tests.worker.operating.browser.conftest import serving
from tests.worker.operating.browser.held import record, take
from unique_task.backends.redis import RedisBackend

pytest_plugins = "tests.browser_fixtures"

pytestmark = [pytest.mark.worker, pytest.mark.any_celery]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A Redis that is stopped and frozen."""
    with RedisServer(tmp_path_factory.mktemp("redis-away")) as server:
        yield server


@pytest.fixture(scope="module")
def site(server, module_unique):
    """A page of locks in that Redis; messages are in another one."""
    urls = {**module_unique.urls, "locks": server.url}
    words = ("--timeout", 0, "--allow-actions")
    with serving(replace(module_unique, urls=urls), *words) as url:
        yield url


@pytest.mark.parametrize(
    "begin, end",
    [(RedisServer.kill, RedisServer.start), (RedisServer.pause, RedisServer.resume)],
    ids=["stopped", "frozen"],
)
def test_a_page_says_that_its_store_is_away_and_recovers(
    page, site, server, begin, end
):
    store = RedisBackend(server.url)
    key = take(store, record("shop.before"))
    page.goto(f"{site}/locks")
    live = page.locator("#live")
    expect(live).to_contain_text("shop.before")

    begin(server)
    try:
        expect(live).to_contain_text(f"{server.url}: ")
        expect(live).not_to_contain_text("shop.before")
        for path in ("/", f"/lock?wanted={key}", "/doctor", f"/release?key={key}"):
            assert page.goto(site + path).status in (200, 503)
            expect(page.locator("main")).to_contain_text(server.url)
            expect(page.locator("main")).not_to_contain_text("Traceback")
        page.goto(f"{site}/locks")
    finally:
        end(server)

    take(store, record("shop.after"))
    expect(live).to_contain_text("shop.after")
    expect(live).not_to_contain_text("Not all could be seen")
