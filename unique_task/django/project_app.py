"""The Celery app of a Django project, with all its tasks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any, cast
from weakref import WeakSet

from celery import Celery, _state
from django.conf import settings
from django.urls import get_script_prefix, set_script_prefix

from ..exceptions import ConfigurationError

#: Celery's variable for it.
_SKIP = "CELERY_SKIP_CHECKS"

_importing = RLock()
_imported: WeakSet[Celery] = WeakSet()


def celery_app() -> Celery:
    """Return the project's Celery app, with the tasks of all its Django apps.

    It raises what :func:`bare_app` does, and what the modules of tasks raise.
    """
    app = bare_app()
    _import_tasks(app)
    return app


def bare_app() -> Celery:
    """Return the project's Celery app; nothing is imported.

    It is the one that ``shared_task`` uses: the first that the project has made.

    Raises:
        ConfigurationError: if the project has none.
    """
    # Celery's ``current_app`` makes one if there is none, and differs by thread if
    # there are several.
    app: Any = getattr(_state, "default_app")
    if app is None or not app.set_as_current:
        raise ConfigurationError(
            "the project has no Celery app: make one in proj/celery.py, and import it "
            "in proj/__init__.py: from .celery import app as celery_app"
        )
    return cast(Celery, app)


def _import_tasks(app: Celery) -> None:
    """Import the modules that have the app's tasks, once in a process."""
    with _importing:
        if app in _imported:
            return
        # Celery runs Django's checks first, and ours ask for the app.
        _imported.add(app)
        # It calls django.setup(), too, which forgets the path of this request.
        prefix = get_script_prefix()
        try:
            with _without_checks(), _without_logging():
                app.loader.import_default_modules()
        except BaseException:
            _imported.discard(app)
            raise
        finally:
            set_script_prefix(prefix)


@contextmanager
def _without_logging() -> Iterator[None]:
    """Let ``django.setup()`` leave loggers as they are.

    By default, their configuration disables all loggers that exist and are not in it.
    """
    before = settings.LOGGING_CONFIG
    settings.LOGGING_CONFIG = None
    try:
        yield
    finally:
        settings.LOGGING_CONFIG = before


@contextmanager
def _without_checks() -> Iterator[None]:
    """Let Celery leave out Django's checks: who asks for tasks runs them, or has."""
    before = os.environ.get(_SKIP)
    os.environ[_SKIP] = "true"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_SKIP]
        else:
            os.environ[_SKIP] = before
