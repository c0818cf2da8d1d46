"""What browsers are told, so that no other site and no text misuse a page."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Flask, Response, request
from flask.sessions import SecureCookieSessionInterface
from werkzeug.exceptions import SecurityError
from werkzeug.sansio.utils import host_is_trusted

#: All comes from this page itself: no script, no style and no picture from elsewhere.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    # Forms need it: over https, who posts is checked by it, too.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def add_headers(response: Response) -> Response:
    """Add what browsers are told to each answer."""
    response.headers.update(_HEADERS)
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    return response


class Names:
    """The names under which a page is served; it refuses requests to any other.

    Flask's own ``TRUSTED_HOSTS`` knows no address of IPv6, and no capital letter.

    Arguments:
        names: with ``.example.com`` for all below; none for any.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = [name.lower() for name in names]

    def check(self) -> None:
        """Let a request in, or raise SecurityError."""
        if self._names and not self._knows(request.host.lower()):
            raise SecurityError(f"Host {request.host!r} is not trusted")

    def _knows(self, host: str) -> bool:
        if host.startswith("["):
            return f"{host.partition(']')[0]}]" in self._names
        return host_is_trusted(host, self._names)


class Sessions(SecureCookieSessionInterface):
    """Sends its cookie to this page only, also where that is mounted below another."""

    def get_cookie_path(self, app: Flask) -> str:
        return request.script_root or "/"

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure
