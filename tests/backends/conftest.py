"""Where the locks live, for the tests that run over all stores."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from kombu.utils.imports import symbol_by_name

from tests.backends.stores import (
    AWKWARD,
    GIVEN,
    KINDS,
    ONE,
    PATIENCE,
    STORES,
    TWO,
    open_store,
    record_of,
    reserve,
)
from tests.servers import Cluster, cluster
from unique_task import RedisBackend
from unique_task.backends.base import Backend
from unique_task.backends.django.backend import DjangoCacheBackend
from unique_task.backends.django.database import DjangoDatabaseBackend
from unique_task.backends.memcached import MemcachedBackend
from unique_task.backends.sql import SQLBackend
from unique_task.backends.steps import Reserved


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store has the time of a busy machine, unless a test says how much."""
    kinds = RedisBackend, MemcachedBackend, SQLBackend
    for kind in (*kinds, DjangoCacheBackend, DjangoDatabaseBackend):
        defaults: Any = getattr(kind.__init__, "__kwdefaults__")
        monkeypatch.setitem(defaults, "timeout", PATIENCE)


@pytest.fixture
def given_url() -> str:
    return str(symbol_by_name(GIVEN)())


@pytest.fixture
def own_cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster for one test that pauses or kills its nodes."""
    with cluster(tmp_path) as servers:
        yield servers


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest) -> str:
    """Where the locks live."""
    return str(request.getfixturevalue(STORES[request.param]))


@pytest.fixture
def urls(request: pytest.FixtureRequest) -> dict[str, str]:
    """Where they live in each kind of store."""
    return {name: request.getfixturevalue(STORES[name]) for name in KINDS}


@pytest.fixture
def backend(url: str) -> Backend:
    return open_store(url)


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    """To the database of the test, for those who look into it by hand."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    yield engine
    engine.dispose()


@pytest.fixture
def several(backend: Backend) -> Backend:
    """One whose locks can have several holders."""
    if not backend.promises.several_holders:
        pytest.skip("its locks have one holder")
    return backend


@pytest.fixture
def warm(backend: Backend) -> Backend:
    """Connected, and with all that it sends once sent."""
    record = record_of("earlier")
    backend.acquire("another", record, expire=10)
    backend.release("another", record.token)
    return backend


@pytest.fixture
def one(backend: Backend) -> Reserved:
    """The lock waits for the first of some messages, 10 seconds long."""
    answer = backend.reserve("key", ONE, expire=10)
    assert isinstance(answer, Reserved)
    return answer


@pytest.fixture
def two(backend: Backend, one: Reserved) -> Reserved:
    """The lock waits for the second, which took the place of the first."""
    answer = reserve(backend, TWO)
    assert isinstance(answer, Reserved)
    return answer


@pytest.fixture
def short() -> float:
    """Seconds that the store can time."""
    return 0.2


@pytest.fixture(params=AWKWARD)
def awkward(request: pytest.FixtureRequest) -> str:
    """A text that a store may have trouble to keep."""
    return AWKWARD[request.param]


@pytest.fixture
def hasty_threads(backend: Backend) -> Iterator[None]:
    """Threads take turns a thousand times as often as they would, in our own store.

    Others see them as clients like any other, which take turns there.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(before if backend.shared else before / 1000)
    yield
    sys.setswitchinterval(before)
