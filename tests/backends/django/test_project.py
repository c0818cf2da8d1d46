"""A Django project whose locks are in Django's cache, with a real worker."""

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from tests.django_settings import PYMEMCACHE, REDIS_CACHE
from tests.waiting import wait_until
from tests.worker.worker_process import WorkerProcess

pytestmark = pytest.mark.worker

IMPORT = "tests.django.project.orders.tasks.import_orders"


@pytest.fixture
def redis_cache(redis_url: str) -> dict[str, Any]:
    return {"BACKEND": REDIS_CACHE, "LOCATION": redis_url}


@pytest.fixture
def memcached_cache(memcached_url: str) -> dict[str, Any]:
    return {"BACKEND": PYMEMCACHE, "LOCATION": memcached_url.split("//")[1]}


@pytest.fixture(params=["redis_cache", "memcached_cache"])
def cache(request: pytest.FixtureRequest) -> Any:
    """The project's default cache."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def urls(redis_url: str) -> dict[str, str]:
    """The project's broker and result backend, not the store of its cache."""
    server = redis_url.removesuffix("/0")
    return {"broker": f"{server}/1", "backend": f"{server}/2"}


@pytest.fixture
def worker(
    urls: dict[str, str], cache: dict[str, Any], tmp_path: Path
) -> Iterator[WorkerProcess]:
    with WorkerProcess(
        tmp_path,
        broker=urls["broker"],
        backend=urls["backend"],
        locks="",
        pool="threads",
        app="tests.django.project",
        settings={"CACHES": {"default": cache}},
        environment={"UNIQUE_TEST_STORE": "django-cache://default"},
    ) as worker:
        yield worker


@pytest.fixture
def caller(urls: dict[str, str]) -> Iterator[Celery]:
    """An app without Django, which calls the project's task by its name."""
    app = Celery(broker=urls["broker"], backend=urls["backend"], set_as_current=False)
    yield app
    # Its results unsubscribe when they are collected.
    gc.collect()
    app.close()


def test_of_two_equal_calls_one_runs_at_a_time(worker, caller, cache, tmp_path):
    def call() -> Any:
        return caller.send_task(IMPORT, [str(tmp_path)])

    first = call()
    wait_until((tmp_path / "started").exists, message="the first call did not start")
    second = call()
    wait_until(lambda: second.state == "REVOKED", message="the second one was let in")
    (tmp_path / "end").touch()

    assert first.get(timeout=10) == "imported"
    # The lock is free again.
    assert call().get(timeout=10) == "imported"
    assert (tmp_path / "started").read_text() == "started\n" * 2
    place = cache["LOCATION"]
    place = place if "//" in place else f"memcached://{place}"
    message = f"locks of 2 unique tasks are in django-cache://default ({place})"
    assert worker.log.count(message) == 1
    assert worker.log.count("cache.clear() deletes all locks") == 1
