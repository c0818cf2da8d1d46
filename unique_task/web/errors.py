"""Pages that say what went wrong, in plain words."""

from __future__ import annotations

from flask import Flask, Response, render_template
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, SecurityError

from ..exceptions import ConfigurationError, LockStoreError, UniqueError

_WORDS = {
    403: "This is not allowed here.",
    404: "There is no such page.",
    405: "This page takes no such request: go back, and follow a link or a form.",
    413: "That was too much for one form.",
    500: "Something went wrong in this page itself. Its log says what.",
}

_FORM = (
    "Nothing was done: this form is too old, or it is from another site. Load the page "
    "again and send it once more. If that fails each time, the page is served by "
    "several processes, which need the same secret_key; or your browser takes no "
    "cookies."
)


def install(web: Flask) -> None:
    """Have an application answer errors with pages."""
    web.register_error_handler(SecurityError, _unknown_host)
    web.register_error_handler(CSRFError, lambda error: _page(400, _FORM))
    web.register_error_handler(HTTPException, _of_http)
    web.register_error_handler(UniqueError, _of_ours)


def status_of(error: UniqueError) -> int:
    """Return the status of a page that could not do what it was asked for."""
    return 503 if isinstance(error, LockStoreError) else 400


def _of_http(error: HTTPException) -> Response | tuple[str, int]:
    if error.response is not None or error.code is None or error.code < 400:
        return error.get_response()  # type: ignore[return-value]
    own = type(error).description != error.description
    words = (error.description or "") if own else ""
    return _page(error.code, words or _WORDS.get(error.code, error.name))


def _of_ours(error: UniqueError) -> tuple[str, int]:
    if isinstance(error, LockStoreError):
        return _page(503, f"The store does not answer: {error}")
    if isinstance(error, ConfigurationError):
        return _page(500, f"The settings do not fit: {error}")
    return _page(400, str(error))


def _page(status: int, words: str) -> tuple[str, int]:
    return render_template("error.html", status=status, words=words), status


def _unknown_host(error: SecurityError) -> Response:
    # No link can be made here: nobody knows where the page is.
    words = (
        "This page is not served under that name. Who runs it can add the name: with "
        "--trusted-host, or create_web(trusted_hosts=[...]).\n"
    )
    return Response(words, 400, content_type="text/plain; charset=utf-8")
