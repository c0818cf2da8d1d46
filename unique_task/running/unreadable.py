"""Releases the locks of messages that a worker cannot read."""

from __future__ import annotations

from typing import Any

from celery import bootsteps

from .redelivery import release_for


class Unreadable(bootsteps.Step):
    """A step of a worker's consumer that releases the locks of unreadable messages.

    Celery has no signal for them. For example, a compression is unknown.
    """

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        on_decode_error = parent.on_decode_error

        def release_too(message: Any, error: Exception) -> None:
            on_decode_error(message, error)
            release_for(parent.app, message.headers)

        parent.on_decode_error = release_too
