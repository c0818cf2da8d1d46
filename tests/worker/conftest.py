"""Workers for a test or for a module: as many as it starts, each reaped in the end."""

import gc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from kombu import pools

from tests.servers import RedisServer
from tests.worker.app import app, configure
from tests.worker.witness import Witness
from tests.worker.worker_process import WorkerProcess

POOLS = ["prefork", "threads", "gevent", "eventlet", "solo"]

StartWorker = Callable[..., WorkerProcess]


@pytest.fixture(autouse=True)
def _current_app() -> None:
    """Make the app of the workers current: Celery 5.3 sends nested chords by that."""
    app.set_current()


@pytest.fixture(params=POOLS)
def pool(request: pytest.FixtureRequest) -> str:
    """Runs the test once for each kind of pool."""
    return str(request.param)


def urls_on(redis_url: str) -> dict[str, str]:
    """Where messages, results, locks and what is witnessed are kept: databases."""
    names = ["locks", "broker", "backend", "witness"]
    server = redis_url.removesuffix("/0")
    return {name: f"{server}/{number}" for number, name in enumerate(names)}


@pytest.fixture(scope="module")
def broker() -> str:
    """Where messages wait; `broker = on_both_brokers` runs a module's tests on each."""
    return "redis"


@pytest.fixture(scope="module", params=["redis", "rabbitmq"])
def on_both_brokers(request: pytest.FixtureRequest) -> str:
    """Where messages wait; results, locks and the witness are in Redis."""
    return str(request.param)


#: For what no other broker does, or no broker has a part in.
redis_only = pytest.mark.parametrize("broker", ["redis"], indirect=True, scope="module")


def urls_with(
    broker: str, redis_url: str, request: pytest.FixtureRequest
) -> dict[str, str]:
    """As `urls_on`, but for messages, which nobody has left in their default queue."""
    urls = urls_on(redis_url)
    if broker == "rabbitmq":
        server = request.getfixturevalue("rabbitmq_server")
        server.delete_queue(app.conf.task_default_queue)
        urls["broker"] = server.url
    return urls


@contextmanager
def starter(directory: Path, urls: dict[str, str]) -> Iterator[StartWorker]:
    """Give what starts workers; they end with the block, all at one time."""
    workers: list[WorkerProcess] = []

    def start(**options: Any) -> WorkerProcess:
        worker = WorkerProcess(directory, **{**urls, **options}).__enter__()
        workers.append(worker)
        return worker

    try:
        yield start
    finally:
        with ThreadPoolExecutor(len(workers) or 1) as threads:
            list(threads.map(WorkerProcess.__exit__, workers))


@pytest.fixture
def urls(request: pytest.FixtureRequest, redis_url: str, broker: str) -> dict[str, str]:
    """Databases of one empty Redis, and the broker."""
    return urls_with(broker, redis_url, request)


@pytest.fixture
def celery_app(urls: dict[str, str]) -> Iterator[Celery]:
    """The workers' app, for the test process to call their tasks."""
    configure(**urls)
    yield app
    close_app()


def close_app() -> None:
    """Close what the app has open to servers that may be gone soon."""
    # A result unsubscribes when it is collected, which a stopped server would refuse.
    gc.collect()
    app.close()
    # They keep connections to the broker, also when the app is told of another one, or
    # a test has closed them from the other end.
    pools.reset()
    for keeper in ("amqp", "control"):
        vars(app).pop(keeper, None)


@pytest.fixture
def start_worker(urls: dict[str, str], tmp_path: Path) -> Iterator[StartWorker]:
    """Call it for a ready worker; options are those of `WorkerProcess`."""
    with starter(tmp_path, urls) as start:
        yield start


@pytest.fixture(scope="module")
def module_urls(
    request: pytest.FixtureRequest, redis_server: RedisServer, broker: str
) -> Iterator[dict[str, str]]:
    """As `urls`, but empty when the module begins; the app uses them."""
    redis_server.client.flushall()
    urls = urls_with(broker, redis_server.url, request)
    configure(**urls)
    yield urls
    close_app()


@pytest.fixture(scope="module")
def start_module_worker(
    module_urls: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StartWorker]:
    """Call it for a ready worker that lasts as long as the module."""
    with starter(tmp_path_factory.mktemp("worker"), module_urls) as start:
        yield start


@pytest.fixture
def witness(module_urls: dict[str, str]) -> Iterator[Witness]:
    """What the tasks of the module's workers have noted."""
    witness = Witness(module_urls["witness"])
    yield witness
    # A worker that is stopped while a task ends may take half a minute to stop.
    witness.wait_until_idle()
    witness.close()


@pytest.fixture
def hasty_witness(urls: dict[str, str]) -> Iterator[Witness]:
    """In place of `witness` where workers are the test's own, and are killed at times.

    A run that is killed never ends: nobody waits for that.
    """
    witness = Witness(urls["witness"])
    yield witness
    witness.close()


@pytest.fixture
def key() -> str:
    """Of no other test of the module."""
    return uuid4().hex
