"""Makes the application of the web page; needs ``unique_task[web]``."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence

from celery import Celery
from flask import Flask
from flask_wtf.csrf import CSRFProtect

from ..exceptions import ConfigurationError
from ..operating import stores
from . import actions, errors, formats, views
from .access import Access, Who
from .safety import Names, Sessions, add_headers
from .state import Site


def create_web(
    app: Celery,
    *,
    password: str | None = None,
    who: Who | None = None,
    allow_actions: bool = False,
    secret_key: str | None = None,
    trusted_hosts: Sequence[str] | None = None,
    timeout: float = 1.0,
    refresh: float = 5.0,
) -> Flask:
    """Return a WSGI application that shows the locks of an app.

    Give either `password` or `who`; ``who=anybody`` lets everybody in.

    Arguments:
        app: with all its tasks: import them first.
        password: asked for by Basic authentication, with any name.
        who: gets the environ of a request, and returns the name of the user: empty if
            nobody knows it, None to refuse.
        allow_actions: whether users may release and hold locks.
        secret_key: signs forms and sessions. With several processes, the same for all;
            None for a random one of this process.
        trusted_hosts: names under which the page is served, with ``.example.com`` for
            all below; None for any.
        timeout: seconds to wait for the workers' answers; 0 not to ask them.
        refresh: seconds between two looks of an open page; 0 for none.

    Raises:
        ConfigurationError: if nothing says who may see the page; if the app has no
            unique tasks, or no store.
    """
    stores(app)
    access = Access(_password_or_who(password, who), who)
    secret = secret_key or os.urandom(32).hex()
    web = Flask(__name__)
    web.config.update(
        SECRET_KEY=secret,
        # One of the same name would end the session of whatever serves this page, and
        # that of another page on this machine: browsers do not tell ports apart.
        SESSION_COOKIE_NAME=f"unique_task_{_digest(secret)}",
        SESSION_COOKIE_SAMESITE="Strict",
        MAX_CONTENT_LENGTH=1_000_000,
        # As long as the session.
        WTF_CSRF_TIME_LIMIT=None,
    )
    web.session_interface = Sessions()
    web.extensions["unique_task"] = Site(app, allow_actions, timeout, refresh)
    web.before_request(Names(trusted_hosts or ()).check)
    web.before_request(access.check)
    web.before_request(actions.check_allowed)
    web.after_request(add_headers)
    CSRFProtect(web)
    formats.install(web)
    errors.install(web)
    web.register_blueprint(views.pages)
    web.register_blueprint(actions.actions)
    return web


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()[:8]


def _password_or_who(password: str | None, who: Who | None) -> str | None:
    if (password is None) == (who is None):
        raise ConfigurationError(
            "who may see the page? Give create_web() either password= or who=, such as "
            "who=anybody of unique_task.web"
        )
    if password is not None and not password:
        raise ConfigurationError("password='': must be one letter or more")
    if password is not None and not password.isprintable():
        # Bytes that are no text are in there too, as an environment may have them.
        raise ConfigurationError("password: must be one line of UTF-8")
    return password
