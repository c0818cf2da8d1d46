"""Django's settings for the databases of the tests."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.engine import make_url

from tests.django_settings import MYSQL, POSTGRESQL, SQLITE, django_databases
from unique_task import ConfigurationError
from unique_task.backends.django.database import DjangoDatabaseBackend

ENGINES = {"postgresql": POSTGRESQL, "mysql": MYSQL, "sqlite": SQLITE}


def database_at(url: str, **more: Any) -> dict[str, Any]:
    """The settings of Django's for the database at this URL."""
    parts = make_url(url)
    settings = {
        "ENGINE": ENGINES[parts.get_backend_name()],
        "NAME": parts.database,
        "HOST": parts.host or "",
        "PORT": str(parts.port or ""),
        "USER": parts.username or "",
        "PASSWORD": parts.password or "",
    }
    return {**settings, **more}


def refused(database: dict[str, Any]) -> str:
    """The error for a database that is refused."""
    with django_databases(locks=database):
        with pytest.raises(ConfigurationError) as error:
            DjangoDatabaseBackend("locks")
    return str(error.value)
