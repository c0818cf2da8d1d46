"""Chromium without a window, driven by Playwright; it reaches this machine only."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.servers.find import INSTALLED, environment, require, unpacked_root

#: Milliseconds that a start may take on a busy machine.
PATIENCE = 60_000

OPTIONS = [
    # The pages are ours; a container's root has no other choice.
    "--no-sandbox",
    "--disable-gpu",
    # A container may have little of it.
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    # A page that asks for anything of another machine fails.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]

# An unpacked program would look for fonts, and for the rules to choose one, only where
# they are installed: a machine has these, or they were unpacked with the program.
RULES = ("45-latin.conf", "49-sansserif.conf", "60-latin.conf")


@contextmanager
def chromium(home: Path) -> Iterator[Browser]:
    """Start a browser whose files are in the folder `home`, and end it.

    Meanwhile the thread has a running event loop: Django's database refuses to work
    there.
    """
    program = require("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            env=_variables(program, home),
            args=OPTIONS,
            timeout=PATIENCE,
        )
        with browser:
            yield browser


def _variables(program: Path, home: Path) -> dict[str, str | float | bool]:
    variables = {**environment(program), "HOME": str(home)}
    if root := unpacked_root(program):
        variables["FONTCONFIG_FILE"] = str(_fonts(root, home))
    return dict(variables)


def _fonts(root: Path, home: Path) -> Path:
    places = [place / "usr/share" for place in (root, INSTALLED)]
    rules = [
        place / "fontconfig/conf.avail" / rule for place in places for rule in RULES
    ]
    parts = [
        *(f"<dir>{place}/fonts</dir>" for place in places),
        *(f'<include ignore_missing="yes">{rule}</include>' for rule in rules),
        f"<cachedir>{home}/fonts</cachedir>",
    ]
    file = home / "fonts.conf"
    file.write_text(f"<fontconfig>{''.join(parts)}</fontconfig>")
    return file
