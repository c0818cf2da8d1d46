"""Makes the screenshot of the web page: ``make pictures``, or this module alone."""

from base64 import b64encode
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, BrowserContext, ViewportSize

from tests.docs.screenshot.scene import WAITED_FOR, scene
from tests.docs.screenshot.shop import charge
from tests.docs.test_readme import ROOT
from tests.servers import RedisServer
from tests.servers.chromium import chromium
from tests.worker.operating.browser.conftest import serving
from tests.worker.operating.command import Unique, install_entry_points

PICTURE = ROOT / "docs/pictures/web.png"

#: The screens, of a desk and of a phone; pixels, as that between them.
DESK: ViewportSize = {"width": 980, "height": 690}
PHONE: ViewportSize = {"width": 360, "height": 690}
GAP = 12

#: Both in one picture.
FRAME = f"""<!doctype html>
<style>
  body {{{{ margin: 0; padding: {GAP}px; background: #c4ccd8; }}}}
  body {{{{ display: flex; gap: {GAP}px; align-items: start; }}}}
</style>
{{}}
"""


def shoot(browser: Browser, site: str) -> bytes:
    """Return a picture of the table of locks, and of one on a phone in the dark."""
    one = f"{site}/lock?wanted={charge.name}&args=[{WAITED_FOR}]"
    with (
        browser.new_context(viewport=DESK, color_scheme="light") as desk,
        browser.new_context(viewport=PHONE, color_scheme="dark") as phone,
    ):
        shots = [_shot(desk, f"{site}/locks", "body"), _shot(phone, one, "h2")]
    return _side_by_side(browser, shots)


def _shot(context: BrowserContext, url: str, top: str) -> bytes:
    """Return a picture of a page, from the element `top` on."""
    page = context.new_page()
    page.goto(url)
    page.locator("#live table").first.wait_for()
    page.locator(top).first.evaluate("(element) => element.scrollIntoView()")
    return page.screenshot()


def _side_by_side(browser: Browser, shots: list[bytes]) -> bytes:
    source = '<img src="data:image/png;base64,{}">'
    images = [source.format(b64encode(shot).decode()) for shot in shots]
    width = DESK["width"] + PHONE["width"] + 3 * GAP
    with browser.new_context(viewport={"width": width, "height": 100}) as context:
        page = context.new_page()
        page.set_content(FRAME.format("".join(images)))
        return page.screenshot(full_page=True)


def main() -> None:
    with TemporaryDirectory() as name, RedisServer(Path(name)) as server:
        home = Path(name)
        install_entry_points(home / "commands")
        with scene(home, server.url) as urls:
            unique = Unique(home / "commands", urls, app="tests.docs.screenshot.shop")
            with serving(unique, "--allow-actions") as site, chromium(home) as browser:
                PICTURE.write_bytes(shoot(browser, site))


main()
