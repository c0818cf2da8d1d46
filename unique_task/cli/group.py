"""The group of commands, the app that they are for, and their errors for people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from celery.bin.base import handle_preload_options

from ..exceptions import LockStoreError, UniqueError
from .output import Away, Failed, Usage


@click.group(name="unique")
@click.pass_context
@handle_preload_options
def unique(context: click.Context, /, **_: Any) -> None:
    """See, explain and free the locks of unique tasks."""


def app_of(context: click.Context) -> Any:
    """Return the user's app, with all its tasks."""
    # Without one, Celery gives an app of its own, which has no task of the user's.
    if context.find_root().params.get("app") is None:
        raise Usage(
            "which app? Say so before the command: celery -A proj unique "
            f"{context.info_name}"
        )
    app = context.obj.app
    app.loader.import_default_modules()
    return app


@contextmanager
def errors_for_people() -> Iterator[None]:
    try:
        yield
    except LockStoreError as error:
        raise Away(f"the store does not answer: {error}") from error
    except LookupError as error:
        if not isinstance(error, UniqueError):
            raise
        raise Usage(str(error)) from error
    except UniqueError as error:
        raise Failed(str(error)) from error
