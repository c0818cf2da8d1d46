"""An engine that derives from Django's, and makes a password for each connection."""

from __future__ import annotations

from typing import Any

from django.db.backends.postgresql import base

#: The passwords that are good, one after the other.
tokens: list[str] = []


class DatabaseWrapper(base.DatabaseWrapper):  # type: ignore[misc]
    def get_connection_params(self) -> dict[str, Any]:
        options: dict[str, Any] = super().get_connection_params()
        return {**options, "password": tokens[-1]}
