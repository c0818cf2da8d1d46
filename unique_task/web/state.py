"""What the views of one web page share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from celery import Celery
from flask import current_app


@dataclass(frozen=True)
class Site:
    """What :func:`.create_web` was given.

    Attributes:
        app: whose locks are shown.
        allow_actions: whether users may release and hold locks.
        timeout: seconds to wait for the workers' answers.
        refresh: seconds between two looks of an open page; 0 for none.
    """

    app: Celery
    allow_actions: bool
    timeout: float
    refresh: float


def site() -> Site:
    """Return that of the request."""
    return cast(Site, current_app.extensions["unique_task"])
