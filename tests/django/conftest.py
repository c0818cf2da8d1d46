"""The project's site, one for all tests of a process, its users, and locks to see."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.django.site import User, served
from tests.forking import in_fork
from tests.servers import Proxy, RedisServer
from unique_task.backends.base import Backend
from unique_task.backends.record import Record, Token
from unique_task.backends.registry import open_backend
from unique_task.leases.process import this_process

#: The tasks of the project.
SEND = "tests.django.project.mails.tasks.send_mail"
IMPORT = "tests.django.project.orders.tasks.import_orders"

Hold = Callable[..., str]


@pytest.fixture(scope="session")
def store(redis_server: RedisServer) -> Iterator[Proxy]:
    """The project's store, which may be away."""
    with Proxy(redis_server.url) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def site(store: Proxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the project's site."""
    directory = tmp_path_factory.mktemp("site")
    with served(directory, UNIQUE_TEST_STORE=store.url) as url:
        yield url


@pytest.fixture(scope="session")
def ann(site: str) -> User:
    """She may do everything with locks."""
    return User(site, "ann")


@pytest.fixture(scope="session")
def bob(site: str) -> User:
    """He may look."""
    return User(site, "bob")


@pytest.fixture(scope="session")
def eve(site: str) -> User:
    """She is of the staff, but locks are none of her business."""
    return User(site, "eve")


@pytest.fixture(scope="session")
def dead() -> str:
    """A process that has ended."""
    return in_fork(this_process)


@pytest.fixture
def backend(redis_url: str) -> Backend:
    """The store as others see it; it is empty."""
    return open_backend(redis_url, timeout=5)


@pytest.fixture
def hold(backend: Backend) -> Hold:
    """Call it to have a key held; it returns the token."""

    def hold(key: str, owner: str = "task-1", task: str = SEND, **record: Any) -> str:
        limit, expire = record.pop("limit", 1), record.pop("expire", 60)
        taken = Record(Token.of_attempt(owner), task, **record)
        backend.acquire(key, taken, expire, limit=limit)
        return taken.token

    return hold
