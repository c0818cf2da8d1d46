"""Who may see the web page, and under which name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hmac import compare_digest
from typing import Any, Optional

from flask import Response, abort, g, request
from werkzeug.datastructures import Authorization

#: Gets the WSGI environ of a request; returns the name of the user, or None to refuse.
Who = Callable[[Mapping[str, Any]], Optional[str]]


def anybody(environ: Mapping[str, Any]) -> str:
    """Let everybody in, without a name: for ``create_web(who=anybody)``."""
    return ""


class Access:
    """Checks each request before anything else sees it.

    Arguments:
        password: to ask for; or None.
        who: to ask instead.
    """

    def __init__(self, password: str | None, who: Who | None) -> None:
        self._password = None if password is None else password.encode()
        self._who = who

    def check(self) -> Response | None:
        """Let a request in, and keep who it is; else answer it."""
        name = self._name()
        if name is not None:
            g.user = name.strip()
            return None
        if self._who is not None:
            abort(403, "you may not see this page: ask who runs it")
        answer = Response("This page asks for its password.\n", 401)
        answer.content_type = "text/plain; charset=utf-8"
        answer.www_authenticate.type = "basic"
        answer.www_authenticate.realm = "unique tasks"
        return answer

    def _name(self) -> str | None:
        if self._who is not None:
            return self._who(request.environ)
        given = _given()
        if given is None or given.type != "basic" or self._password is None:
            return None
        # In a time that does not tell how much of it is right.
        same = compare_digest((given.password or "").encode(), self._password)
        return (given.username or "") if same else None


def _given() -> Authorization | None:
    try:
        return request.authorization
    except ValueError:  # letters that no header of a browser has
        return None


def is_let_in() -> bool:
    """Tell whether the request may see the page."""
    return "user" in g


def user() -> str:
    """Return the name of whoever sent the request; empty if nobody knows."""
    return str(g.get("user", ""))
