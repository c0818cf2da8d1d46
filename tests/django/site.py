"""The project's web server as a process, and its users, who read its pages as text."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.servers.process import HOST, free_port
from tests.waiting import wait_until

#: Where the pages of locks are, in the admin and in the one that asks no worker.
LOCKS, OPS = "/admin/unique_task/lock/", "/ops/unique_task/lock/"

MANAGE = Path(__file__).parent / "manage.py"


class User:
    """Somebody who is logged in.

    Attributes:
        client: has the session.
    """

    def __init__(self, url: str, name: str) -> None:
        self.client = httpx.Client(base_url=url, follow_redirects=True, timeout=60)
        login = "/admin/login/"
        self.client.get(login)
        self.post(login, username=name, password=name, next="/admin/")

    def get(self, path: str, **query: str) -> str:
        """Return what a page says, as text."""
        return text_of(self.client.get(path, params=query or None))

    def post(self, path: str, **fields: str | list[str]) -> str:
        """Send a form as the page that has it would; return what comes, as text."""
        return text_of(self.send(path, **fields))

    def send(self, path: str, **fields: str | list[str]) -> httpx.Response:
        """Send a form; return the response."""
        token = self.client.cookies.get("csrftoken", "")
        return self.client.post(path, data={"csrfmiddlewaretoken": token, **fields})

    def selections(self, path: str, **query: str) -> list[str]:
        """Return the values of the boxes on a page, as a browser would send them."""
        page = self.client.get(path, params=query or None).text
        found = re.findall(r'name="_selected_action" value="([^"]*)"', page)
        return [html.unescape(value) for value in found]


def text_of(response: httpx.Response) -> str:
    """Return the text of a page in one line, without the navigation."""
    assert response.status_code == 200, (response.status_code, response.text[-2000:])
    main = re.split('<[^>]* id="content-start"[^>]*>', response.text)[-1]
    text = re.sub(r"(?s)<(script|style).*?</\1>|<[^>]*>", " ", main)
    return " ".join(html.unescape(text).split())


@contextmanager
def served(directory: Path, **settings: str) -> Iterator[str]:
    """Serve the project, with a database of its own, and give its URL.

    Arguments:
        settings: variables of the environment.
    """
    port, log = free_port(), directory / "site.log"
    url = f"http://{HOST}:{port}"
    settings.setdefault("UNIQUE_TEST_DATABASE", str(directory / "db.sqlite3"))
    with log.open("wb") as out, subprocess.Popen(
        [sys.executable, MANAGE, "serve", str(port)],
        env=_environment(settings),
        stdout=out,
        stderr=out,
    ) as process:
        try:
            wait_until(lambda: _answers(process, url, log), timeout=60)
            yield url
        finally:
            process.terminate()


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    root = str(Path(__file__).parents[2])
    paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": paths, **settings}


def _answers(process: subprocess.Popen[bytes], url: str, log: Path) -> bool:
    assert process.poll() is None, log.read_text()[-2000:]
    try:
        return httpx.get(f"{url}/admin/login/").status_code == 200
    except httpx.TransportError:
        return False
