"""Workers for a test: as many as it starts, each reaped when it ends."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from tests.servers import RedisServer
from tests.worker.app import app, configure
from tests.worker.worker_process import WorkerProcess

POOLS = ["prefork", "threads", "gevent", "eventlet", "solo"]

StartWorker = Callable[..., WorkerProcess]


@pytest.fixture(params=POOLS)
def pool(request: pytest.FixtureRequest) -> str:
    """Runs the test once for each kind of pool."""
    return str(request.param)


@pytest.fixture
def urls(redis_server: RedisServer, redis_url: str) -> dict[str, str]:
    """Where messages, results and locks are kept: databases of one empty Redis."""
    server = redis_url.removesuffix("/0")
    return {"broker": f"{server}/1", "backend": f"{server}/2", "locks": redis_url}


@pytest.fixture
def celery_app(urls: dict[str, str]) -> Iterator[Celery]:
    """The workers' app, for the test process to call their tasks."""
    configure(**urls)
    yield app
    app.close()


@pytest.fixture
def start_worker(urls: dict[str, str], tmp_path: Path) -> Iterator[StartWorker]:
    """Call it for a ready worker; options are those of `WorkerProcess`."""
    with ExitStack() as workers:

        def start(**options: Any) -> WorkerProcess:
            worker = WorkerProcess(tmp_path, **{**urls, **options})
            return workers.enter_context(worker)

        yield start
