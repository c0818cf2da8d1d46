"""Locks in each of several stores; messages and results in Redis."""

from functools import partial

import pytest

from tests.worker.app import configure
from tests.worker.conftest import close_app, starter, urls_on
from tests.worker.tasks_operated import LONG
from tests.worker.witness import Witness


@pytest.fixture(scope="module", params=["redis", "postgresql"])
def module_urls(request, redis_server):
    redis_server.client.flushall()
    urls = urls_on(redis_server.url)
    if request.param != "redis":
        urls["locks"] = request.getfixturevalue(request.param).url
    configure(**urls)
    yield urls
    close_app()


@pytest.fixture
def witness(module_urls):
    # A run that is killed never ends: nobody waits for that here.
    witness = Witness(module_urls["witness"])
    yield witness
    witness.close()


@pytest.fixture
def start_elsewhere(tmp_path, module_urls, elsewhere):
    """Call it for a worker on another machine, for one test."""
    settings = {"unique_lease": LONG}
    options = {"pool": "threads", "settings": settings, "environment": elsewhere}
    with starter(tmp_path, module_urls) as start:
        yield partial(start, **options)
