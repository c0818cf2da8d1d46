"""What ``web`` does: it serves the web page of an app."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from celery import Celery

from .output import Failed, Usage, echo
from .served import in_url, needing, until_ended

#: Requests at one time: as long as a store does not answer, each waits for it.
_THREADS = 8

#: Bytes of a request. A longer one is refused before its password is looked at: the
#: server keeps all of it on the disk first.
_LARGEST = 1_000_000

#: Names of this machine itself.
_LOOPBACK = ["localhost", "127.0.0.1", "[::1]"]


def serve_page(
    app: Celery,
    host: str,
    port: int,
    password: str | None,
    open_to_all: bool,
    trusted_hosts: Sequence[str],
    **options: Any,
) -> None:
    """Serve the page until Ctrl-C or SIGTERM."""
    with needing("web"):
        from waitress.server import create_server

        from ..web import anybody, create_web
    _check_access(host, password, open_to_all, trusted_hosts)
    who = anybody if password is None else None
    names = _names(host, trusted_hosts)
    web = create_web(app, password=password, who=who, trusted_hosts=names, **options)
    with _listening(host, port) as listener:
        limits: Any = {"threads": _THREADS, "max_request_body_size": _LARGEST}
        server: Any = create_server(web, sockets=[listener], **limits)
        _serve(server, f"{in_url(host)}:{listener.getsockname()[1]}")


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), port), family=family)
    except OSError as error:
        raise Failed(f"cannot serve at {host}:{port}: {error}") from error


def _serve(server: Any, address: str) -> None:
    with until_ended():
        echo(f"web page: http://{address}/")
        server.run()


def _check_access(
    host: str, password: str | None, open_to_all: bool, trusted_hosts: Sequence[str]
) -> None:
    """Refuse to let others in without a password, unless that is meant."""
    if password == "":
        raise Usage("the password is empty: give one, or leave it away")
    if password is not None or _is_loopback(host):
        return
    if not open_to_all:
        raise Usage(
            f"--host {host}: others could reach the page: set UNIQUE_WEB_PASSWORD, or "
            "say --open-to-all if something before it asks who they are"
        )
    if not trusted_hosts:
        raise Usage(
            "--open-to-all: under which name is the page reached? Say it by "
            "--trusted-host, else any site could be the page in a browser"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _names(host: str, trusted_hosts: Sequence[str]) -> list[str] | None:
    """Return the names under which the page is served; None for any.

    Without a password, another site could be this page in a browser: its name leads to
    this machine all of a sudden.
    """
    if not trusted_hosts and not _is_loopback(host):
        return None
    return [*_LOOPBACK, in_url(host), *trusted_hosts]
