"""Locks in each database that is a server, which a module may put elsewhere."""

import pytest

from unique_task.backends.sql import SQLBackend


@pytest.fixture(params=["postgresql", "mariadb"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def commit(url: str) -> bytes:
    """What a request to commit contains, and none to begin: READ COMMITTED."""
    return b"COMMIT\0" if url.startswith("postgresql") else b"COMMIT"


@pytest.fixture
def backend(url: str) -> SQLBackend:
    backend = SQLBackend(url)
    backend.get("key")
    return backend
