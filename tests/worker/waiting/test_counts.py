"""A call that starts before its eta is acknowledged once, and counted once.

A worker takes one message more for each that waits for its eta, until that is over.
"""

import time

import pytest
from redis import Redis

from tests.waiting import wait_until
from tests.worker import tasks_waiting as tasks
from tests.worker.app import configure
from tests.worker.conftest import close_app, starter, urls_on
from tests.worker.waiting.line import AT_ONCE, prefetched_by, wait_until_waiting

pytestmark = pytest.mark.worker

CONCURRENCY = 2

#: Celery's default: four messages for each slot.
PREFETCH = 4 * CONCURRENCY

#: In threads, others than the worker itself start calls.
PLACES = [("redis", "prefork"), ("redis", "threads"), ("rabbitmq", "prefork")]


@pytest.fixture(scope="module", params=PLACES, ids="-".join)
def place(request, redis_server, tmp_path_factory):
    """A broker, and a worker on it."""
    broker, pool = request.param
    redis_server.client.flushall()
    urls = urls_on(redis_server.url)
    if broker == "rabbitmq":
        urls["broker"] = request.getfixturevalue("rabbitmq_server").url
    configure(**urls)
    with starter(tmp_path_factory.mktemp("worker"), urls) as start:
        yield urls, start(pool=pool, concurrency=CONCURRENCY)
    close_app()


@pytest.fixture
def module_urls(place):
    return place[0]


@pytest.fixture
def worker(place):
    return place[1]


def unacknowledged(urls: dict[str, str]) -> int:
    """How many messages Redis keeps until they are acknowledged."""
    with Redis.from_url(urls["broker"]) as broker:
        return int(broker.hlen("unacked")) + int(broker.zcard("unacked_index"))


def test_it_is_acknowledged_once_and_counted_once(
    hold, line_up, worker, module_urls, witness, key
):
    hold(tasks.EARLY)
    others = [line_up(tasks.EARLY, number) for number in range(3)]
    wait_until_waiting(worker, tasks.EARLY, key, 3)
    assert prefetched_by(worker) == PREFETCH + 3

    witness.open(key)

    assert [other.get(timeout=AT_ONCE) for other in others] == [0, 1, 2]
    wait_until(lambda: prefetched_by(worker) == PREFETCH)
    if module_urls["broker"].startswith("redis"):
        wait_until(lambda: unacknowledged(module_urls) == 0)


def test_its_eta_comes_when_it_has_run_and_nothing_happens(
    hold, line_up, worker, witness, key
):
    hold(tasks.BRIEF)
    others = [line_up(tasks.BRIEF, number) for number in range(3)]
    late = time.monotonic() + tasks.SHORT_PAUSE + 1

    witness.open(key)

    assert [other.get(timeout=AT_ONCE) for other in others] == [0, 1, 2]
    # For what must not happen meanwhile, there is no condition.
    wait_until(lambda: time.monotonic() > late)
    assert [witness.arrivals(other.id) for other in others] == [2, 2, 2]
    assert witness.runs(key) == 4
    assert prefetched_by(worker) == PREFETCH
