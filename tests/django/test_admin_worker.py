"""Django's admin beside a real worker of the project: waiting calls, counters, runs."""

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from tests.django.conftest import IMPORT, SEND
from tests.django.site import LOCKS, User, served
from tests.servers import RedisServer
from tests.waiting import wait_until
from tests.worker.worker_process import WorkerProcess

pytestmark = [pytest.mark.worker, pytest.mark.any_celery]


@pytest.fixture(scope="module")
def urls(redis_server: RedisServer) -> dict[str, str]:
    """Where the project has its broker, its results and its locks."""
    redis_server.client.flushall()
    server = redis_server.url.removesuffix("/0")
    return {"broker": f"{server}/1", "backend": f"{server}/2", "store": f"{server}/0"}


@pytest.fixture(scope="module")
def worker(urls: Any, tmp_path_factory: Any) -> Iterator[WorkerProcess]:
    with WorkerProcess(
        tmp_path_factory.mktemp("worker"),
        broker=urls["broker"],
        backend=urls["backend"],
        locks="",
        pool="threads",
        app="tests.django.project",
        environment={"UNIQUE_TEST_STORE": urls["store"]},
    ) as worker:
        yield worker


@pytest.fixture(scope="module")
def ann(urls: Any, tmp_path_factory: Any) -> Iterator[User]:
    """She may do everything with locks."""
    settings = {f"UNIQUE_TEST_{name.upper()}": url for name, url in urls.items()}
    with served(tmp_path_factory.mktemp("site"), **settings) as url:
        yield User(url, "ann")


@pytest.fixture(scope="module")
def caller(urls: dict[str, str]) -> Iterator[Celery]:
    """An app without Django, which calls the project's tasks by their names."""
    app = Celery(broker=urls["broker"], backend=urls["backend"], set_as_current=False)
    yield app
    # Its results unsubscribe when they are collected.
    gc.collect()
    app.close()


def release(ann: User, owner: str, **more: str) -> str:
    boxes = [box for box in ann.selections(LOCKS) if owner in box]
    return ann.post(f"{LOCKS}release/", _selected_action=boxes, post="yes", **more)


def test_a_call_waits_for_a_hold_of_the_admin_until_that_is_released(
    ann, worker, caller
):
    call = {"wanted": SEND, "args": "[7]", "reason": "migration", "seconds": "1 h"}
    held = ann.post(f"{LOCKS}hold/", **call, post="yes")
    key = held.partition("Lock ")[2].split()[0]
    sent = caller.send_task(SEND, [7])

    def waits() -> bool:
        text = ann.get(f"{LOCKS}{key}/change/")
        return f"Waiting 1 in {worker.name}" in text

    wait_until(waits, message="no call waits")
    release(ann, "hold-")

    assert sent.get(timeout=30) == "7: "
    text = ann.get(f"{LOCKS}{key}/change/")
    assert "The lock is free." in text
    assert "Waiting none in the workers that answered: " in text


def test_a_run_is_seen_and_the_next_one_starts_beside_it_once_that_is_released(
    ann, worker, caller, tmp_path: Path
):
    first = caller.send_task(IMPORT, [str(tmp_path)])
    wait_until((tmp_path / "started").exists, message="the first call did not start")
    assert f"{IMPORT} running alive" in ann.get(LOCKS, worker=worker.name)

    told = release(ann, first.id, running="on")
    second = caller.send_task(IMPORT, [str(tmp_path)])
    both = "started\n" * 2
    wait_until(lambda: (tmp_path / "started").read_text() == both)
    (tmp_path / "end").touch()

    assert told.startswith("Locks: 1 released.")
    assert first.get(timeout=30) == second.get(timeout=30) == "imported"
    # The worker brings what it has counted to the store every few seconds.
    wait_until(
        lambda: f"{IMPORT} while_executing 2 / 2" in ann.get(f"{LOCKS}counters/"),
        message=lambda: ann.get(f"{LOCKS}counters/"),
    )
    page = ann.client.get(f"{LOCKS}counters/").text
    assert 'aria-label="runs: 2 in 60 min, at most' in page
