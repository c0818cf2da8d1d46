"""The command serves the page as a process of its own, over http."""

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

from tests.published_calls import task_of
from tests.servers import RedisServer
from tests.servers.process import free_port
from tests.waiting import wait_until
from tests.web.test_views import Text
from tests.worker.operating.command import Unique, install_entry_points
from unique_task.cli.output import Failed, Usage
from unique_task.cli.serving import serve_page

pytest_plugins = "tests.inprocess_fixtures"

pytestmark = pytest.mark.any_celery


@dataclass
class Served:
    """A page as a process of its own, over a Redis of its own."""

    redis: RedisServer
    process: Any
    address: str

    def text(self, path: str) -> str:
        with urlopen(self.address + path, timeout=30) as answer:
            return Text(answer.read().decode()).text


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    install_entry_points(folder)
    with RedisServer(folder) as redis:
        urls = {
            "broker": "memory://",
            "backend": "cache+memory://",
            "locks": redis.url,
        }
        command = ["web", "--port", "0", "--timeout", "0"]
        unique = Unique(folder, urls)
        with unique.started(*command, stdout=subprocess.PIPE) as process:
            assert process.stdout
            said = process.stdout.readline().decode()
            assert said.startswith("web page: http://127.0.0.1:"), said
            yield Served(redis, process, said.removeprefix("web page: ").strip())


def status_of(address: str, **headers: str) -> int:
    try:
        with urlopen(Request(address, headers=headers), timeout=30) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


def test_it_is_served_under_the_names_of_this_machine_alone(page):
    assert "No such lock is held" in page.text("locks")
    assert status_of(page.address, Host="localhost") == 200
    assert status_of(page.address, Host="evil.test") == 400


def test_a_request_that_is_too_long_is_refused_before_it_is_there(page):
    place = urlsplit(page.address)
    head = f"POST / HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: 2000000\r\n\r\n"
    with socket.create_connection((place.hostname, place.port), timeout=10) as client:
        client.sendall(head.encode())

        assert client.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_a_store_that_stands_still_keeps_nobody_from_the_rest(page):
    def answers_meanwhile() -> bool:
        """Whether it does while others wait: on a busy machine, they may be done."""
        waits = [
            threading.Thread(target=status_of, args=[page.address]) for _ in range(4)
        ]
        for one in waits:
            one.start()
        status = status_of(f"{page.address}static/style.css")
        waited = all(one.is_alive() for one in waits)
        for one in waits:
            one.join(60)
        return waited and status == 200

    page.redis.pause()
    try:
        wait_until(answers_meanwhile)
        assert "None was seen." in page.text("locks")
    finally:
        page.redis.resume()
    assert "No such lock is held." in page.text("locks")


def test_it_ends_when_it_is_told_to(page):
    page.process.send_signal(signal.SIGTERM)

    assert page.process.wait(30) == 0


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
