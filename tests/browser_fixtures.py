"""A real browser for tests of pages: ``pytest_plugins = "tests.browser_fixtures"``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers.chromium import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Response

    OpenPage = Callable[..., Page]

#: Milliseconds that the browser waits for what a test expects of a page.
PATIENCE = 30_000

#: Kinds of lines in the browser's console that a page of ours never causes.
COMPLAINTS = {"error", "warning", "assert"}

#: Begins what it says of each answer with an error, also where that is right.
STATUS = "Failed to load resource: the server responded with a status of "

#: What a page is made of.
PARTS = {"stylesheet", "script", "image", "font"}


# Not for the whole run: other tests of this process may need a thread without a loop.
@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium for a module; `page` and `open_page` keep its tests apart."""
    from playwright.sync_api import expect

    expect.set_options(timeout=PATIENCE)
    with chromium(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What the browser complained of: none may be left when the test ends.

    These are errors of scripts, breaches of a content security policy, resources that
    were not loaded, dialogs. A test that causes one takes it out of the list.
    """
    heard: list[str] = []
    yield heard
    assert not heard


@pytest.fixture
def open_page(browser: Browser, complaints: list[str]) -> Iterator[OpenPage]:
    """Call it for an empty page of somebody who was never here before.

    Options are those of Playwright's ``new_context``: ``viewport``, ``color_scheme``.
    """
    with ExitStack() as stack:

        def open(**options: Any) -> Page:
            context = stack.enter_context(browser.new_context(**options))
            context.set_default_timeout(PATIENCE)
            page = context.new_page()
            _listen(page, complaints)
            return page

        yield open


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """An empty page in a browser with default options."""
    return open_page()


def _listen(page: Page, complaints: list[str]) -> None:
    def console(message: ConsoleMessage) -> None:
        if message.type in COMPLAINTS and not message.text.startswith(STATUS):
            complaints.append(message.text)

    def dialog(dialog: Dialog) -> None:
        complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def response(response: Response) -> None:
        if response.status >= 400 and response.request.resource_type in PARTS:
            complaints.append(f"{response.status}: {response.url}")

    page.on("console", console)
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on("dialog", dialog)
    page.on("response", response)
