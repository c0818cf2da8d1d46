"""What a page in a browser has to be, whoever looks at it, and with what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axe_playwright_python.sync_playwright import Axe

if TYPE_CHECKING:
    from playwright.sync_api import Page

#: Width of a phone, in CSS pixels; also that of a window of 720, zoomed to 200 %.
PHONE = 360


def assert_accessible(page: Page) -> None:
    """Fail with what axe-core finds wrong in the page, in light and in dark."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page)
        assert not found.violations_count, f"{scheme}: {found.generate_report()}"


def assert_narrow(page: Page) -> None:
    """Fail if the page has to be moved sideways on a phone."""
    size = page.viewport_size
    assert size
    page.set_viewport_size({"width": PHONE, "height": 740})
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE, f"{page.url} is {width} wide"
    page.set_viewport_size(size)
