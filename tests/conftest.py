"""Servers for all tests: real ones, one of each for the whole run."""

import gc
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import _state, signals

from tests.servers import (
    MariaDBServer,
    MemcachedServer,
    PostgreSQLServer,
    Proxy,
    RabbitMQServer,
    RedisServer,
)
from tests.surroundings import forget
from unique_task.counting.tally import tally

pytest_plugins = ["tests.garbage", "tests.hangs", "tests.store_fixtures"]

TESTS = Path(__file__).parent

# Before any app, any client and any worker is made.
forget()

#: What takes longest.
LONGEST = (
    "tests/backends/test_fuzz",
    "tests/worker",
    "tests/soak",
    "tests/docs/test_demo",
)

#: Folders whose tests know nothing of Celery; one version of it is enough for them.
ANY_CELERY = frozenset(
    (
        "all_stores",
        "backends",
        "benchmarks",
        "celery_suite",
        "keys",
        "servers",
        "soak",
        "waiting_room",
    )
)

#: Fixtures that start a server, and which.
STARTS = {
    **dict.fromkeys(("redis_server", "own_redis", "redis_6", "valkey"), "Redis"),
    **dict.fromkeys(("redis_sentinels", "redis_cluster", "own_cluster"), "Redis"),
    **dict.fromkeys(("postgresql", "mariadb"), "SQL"),
    **dict.fromkeys(("memcached", "own_memcached"), "memcached"),
    "rabbitmq_server": "RabbitMQ",
    "browser": "Chromium",
}

#: Folders whose tests need servers, and which: the innermost folder counts. In any
#: other folder a test needs none.
NEEDS: dict[str, set[str]] = {
    "all_stores": {"Redis", "SQL", "memcached", "RabbitMQ"},
    "backends": {"Redis", "SQL", "memcached"},
    "benchmarks": {"Redis"},
    "browser": {"Redis", "Chromium"},
    "django": {"Redis", "memcached"},
    "docs": {"Redis"},
    "memcached": {"memcached"},
    "redis": {"Redis"},
    "servers": {"Redis", "RabbitMQ", "Chromium"},
    "soak": {"Redis", "RabbitMQ"},
    "sql": {"SQL"},
    "web": {"Redis", "Chromium"},
    "worker": {"Redis", "RabbitMQ"},
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest: at the end no process waits for the other."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))
    for item in items:
        _check_servers(item)
        if not ANY_CELERY.isdisjoint(_folders(item)):
            item.add_marker(pytest.mark.any_celery)


def _check_servers(item: pytest.Item) -> None:
    """Keep visible from where tests stand which servers they need."""
    folders = reversed(_folders(item))
    allowed = next((NEEDS[folder] for folder in folders if folder in NEEDS), set())
    for fixture in getattr(item, "fixturenames", ()):
        if STARTS.get(fixture) not in (None, *allowed):
            raise pytest.UsageError(
                f"{item.nodeid} needs {STARTS[fixture]}: put it into a folder that "
                "says so, see NEEDS in tests/conftest.py"
            )


def _folders(item: pytest.Item) -> tuple[str, ...]:
    return item.path.relative_to(TESTS).parts[:-1]


@pytest.fixture(autouse=True)
def forgotten_tasks() -> Iterator[None]:
    """Celery copies each task into every app of the process that is made later on."""
    finalizers = getattr(_state, "_on_app_finalizers")
    before = set(finalizers)
    yield
    finalizers.intersection_update(before)


@pytest.fixture(autouse=True)
def results_may_be_waited_for() -> None:
    """Eager calls in several threads at one time may leave that forbidden."""
    getattr(_state, "_set_task_join_will_block")(False)


@pytest.fixture(autouse=True)
def flushed_when_asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Else a flush of counters may come between two requests that a test looks at."""
    monkeypatch.setattr(tally, "interval", 3600.0)
    yield
    tally.drop()


@pytest.fixture(autouse=True)
def heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="unique_task")


@signals.setup_logging.connect
def leave_logging_to_pytest(**_: object) -> None:
    """With a receiver here, a worker in this process sets no level and no handler."""


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server
        # A result unsubscribes when it is collected, and Celery 5.3 cannot if the
        # server is gone.
        gc.collect()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """An empty Redis, shared with nobody while the test runs."""
    redis_server.client.flushall()
    return redis_server.url


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis for one test that kills, pauses or restarts it."""
    with RedisServer(tmp_path) as server:
        yield server


@pytest.fixture
def redis_proxy(redis_url: str) -> Iterator[Proxy]:
    with Proxy(redis_url) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgreSQLServer]:
    with PostgreSQLServer(tmp_path_factory.mktemp("postgresql")) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDBServer]:
    with MariaDBServer(tmp_path_factory.mktemp("mariadb")) as server:
        yield server


@pytest.fixture(scope="session")
def memcached(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemcachedServer]:
    with MemcachedServer(tmp_path_factory.mktemp("memcached")) as server:
        yield server


@pytest.fixture
def memcached_url(memcached: MemcachedServer) -> str:
    memcached.client.flush_all(noreply=False)
    return memcached.url


@pytest.fixture
def postgresql_url(postgresql: PostgreSQLServer) -> str:
    postgresql.forget_locks()
    return postgresql.url


@pytest.fixture
def mariadb_url(mariadb: MariaDBServer) -> str:
    mariadb.forget_locks()
    return mariadb.url


@pytest.fixture
def own_memcached(tmp_path: Path) -> Iterator[MemcachedServer]:
    """A memcached for one test that counts on it, or restarts it."""
    with MemcachedServer(tmp_path) as server:
        yield server


@pytest.fixture
def memcached_proxy(memcached_url: str) -> Iterator[Proxy]:
    with Proxy(memcached_url) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def rabbitmq_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RabbitMQServer]:
    with RabbitMQServer(tmp_path_factory.mktemp("rabbitmq")) as server:
        yield server


@pytest.fixture
def rabbitmq_url(rabbitmq_server: RabbitMQServer) -> str:
    """A RabbitMQ on which nobody has left Celery's default queue."""
    rabbitmq_server.delete_queue("celery")
    return rabbitmq_server.url
