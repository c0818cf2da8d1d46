"""The command serves the page as a process of its own, over http."""

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.published_calls import task_of
from tests.servers import RedisServer
from tests.servers.process import free_port
from tests.web.test_views import Text
from tests.worker.operating.command import Unique, install_entry_points
from unique_task.cli.output import Failed, Usage
from unique_task.cli.serving import serve_page

pytest_plugins = "tests.inprocess_fixtures"

pytestmark = pytest.mark.any_celery

PASSWORD = {"UNIQUE_WEB_PASSWORD": "secret"}


@pytest.fixture
def unique(tmp_path, redis_url) -> Unique:
    install_entry_points(tmp_path)
    return unique_at(tmp_path, redis_url)


def unique_at(folder: Any, locks: str) -> Unique:
    urls = {"broker": "memory://", "backend": "cache+memory://", "locks": locks}
    return Unique(folder, urls)


@contextmanager
def page(unique: Unique, *words: str) -> Iterator[tuple[str, Any]]:
    """The address of a page that is served, and its process."""
    command = ["web", "--port", "0", "--timeout", "0", *words]
    with unique.started(*command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        address = process.stdout.readline().decode().removeprefix("web page: ").strip()
        assert address.startswith("http://"), address
        yield address, process


def status_of(address: str, **headers: str) -> int:
    try:
        with urlopen(Request(address, headers=headers), timeout=30) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


def test_it_is_served_until_it_is_ended(unique):
    with page(unique) as (address, process):
        assert address.startswith("http://127.0.0.1:")
        with urlopen(f"{address}locks", timeout=30) as answer:
            shown = Text(answer.read().decode()).text
        assert "No such lock is held" in shown
        assert status_of(address, Host="evil.test") == 400

        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_a_store_that_stands_still_keeps_nobody_from_the_rest(tmp_path):
    install_entry_points(tmp_path)
    with (
        RedisServer(tmp_path) as server,
        page(unique_at(tmp_path, server.url)) as (address, process),
    ):
        server.pause()
        waits = [threading.Thread(target=status_of, args=[address]) for _ in range(4)]
        for one in waits:
            one.start()

        assert status_of(f"{address}static/style.css") == 200
        assert all(one.is_alive() for one in waits)
        for one in waits:
            one.join(60)
        with urlopen(f"{address}locks", timeout=30) as answer:
            assert "None was seen." in Text(answer.read().decode()).text
        server.resume()
        with urlopen(f"{address}locks", timeout=30) as answer:
            assert "No such lock is held." in Text(answer.read().decode()).text
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


@pytest.fixture
def served(app: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call it as the command would; it ends where it would serve."""
    task_of(app)

    def serve(host: str = "127.0.0.1", port: int = 0, **options: Any) -> None:
        given = {"password": None, "open_to_all": False, "trusted_hosts": ()}
        serve_page(app, host, port, **{**given, **options})

    return serve


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.com"])
def test_other_hosts_are_let_in_only_with_a_password_or_if_told_so(served, host):
    with pytest.raises(Usage, match="others could reach the page: set UNIQUE_WEB_PASS"):
        served(host)


def test_where_all_are_let_in_the_name_of_the_page_has_to_be_said(served):
    with pytest.raises(Usage, match="Say it by --trusted-host"):
        served("0.0.0.0", open_to_all=True)


def test_an_empty_password_is_none(served):
    with pytest.raises(Usage, match="the password is empty"):
        served(password="")


def test_a_port_that_is_in_use_is_an_error_that_names_it(served):
    with socket.create_server(("127.0.0.1", free_port())) as server:
        port = server.getsockname()[1]

        with pytest.raises(Failed, match=f"cannot serve at 127.0.0.1:{port}: "):
            served(port=port)


def test_without_the_extra_it_says_what_to_install(served, monkeypatch):
    monkeypatch.setitem(sys.modules, "waitress.server", None)

    with pytest.raises(Failed, match=r"pip install 'unique_task\[web\]'"):
        served()
