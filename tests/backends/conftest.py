"""Where the locks live, for the tests that run over all stores."""

import sys
from collections.abc import Iterator

import pytest

from tests.backends.stores import AWKWARD, ONE, STORES, TWO, book, open_store, record_of
from tests.servers import RedisServer
from unique_task.backends.base import Backend
from unique_task.backends.steps import Reserved


@pytest.fixture
def memory_url() -> str:
    return "memory://"


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("valkey"), name="valkey") as server:
        yield server


@pytest.fixture(scope="session")
def redis_6(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis"), name="redis-6.2") as server:
        yield server


@pytest.fixture
def valkey_url(valkey: RedisServer) -> str:
    valkey.client.flushall()
    return valkey.url.replace("redis://", "valkey://")


@pytest.fixture
def redis_6_url(redis_6: RedisServer) -> str:
    redis_6.client.flushall()
    return redis_6.url


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest) -> str:
    """Where the locks live."""
    return str(request.getfixturevalue(STORES[request.param]))


@pytest.fixture
def urls(request: pytest.FixtureRequest) -> dict[str, str]:
    """Where they live in each of the stores."""
    return {name: request.getfixturevalue(STORES[name]) for name in STORES}


@pytest.fixture
def backend(url: str) -> Backend:
    return open_store(url)


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
    answer = book(backend, TWO)
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
def hasty_threads() -> Iterator[None]:
    """Threads take turns a thousand times as often as they would."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(before / 1000)
    yield
    sys.setswitchinterval(before)
