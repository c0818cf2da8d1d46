"""What a worker says of its locks when it starts, and when it refuses to."""

import re

import pytest

from tests.waiting import wait_until
from tests.worker.tasks import guarded_meet
from tests.worker.witness import Witness

pytestmark = pytest.mark.worker


def test_a_worker_without_a_store_of_locks_ends_with_what_to_set(start_worker):
    said = (
        "unique_task: no store for the locks of unique tasks: neither the result "
        "backend nor the broker can hold them. Set unique_backend"
    )

    with pytest.raises(AssertionError, match=re.escape(said)):
        start_worker(broker="amqp://localhost", backend="rpc://", locks="")


def test_a_worker_finds_the_locks_a_place_by_itself(start_worker, urls):
    worker = start_worker(pool="solo", locks="")

    place = re.escape(urls["backend"])
    said = rf"INFO/MainProcess\] locks of \d+ unique tasks are in {place}"
    assert len(re.findall(said, worker.log)) == 1


def test_a_worker_warns_of_locks_in_memory(start_worker):
    worker = start_worker(pool="solo", locks="memory://")

    said = "WARNING/MainProcess] memory://: locks in memory hold within one process"
    assert worker.log.count(said) == 1


@pytest.mark.usefixtures("celery_app")
def test_a_worker_without_guards_says_so_in_one_line(start_worker, urls):
    worker = start_worker(pool="threads", settings={"unique_enabled": False})
    witness = Witness(urls["witness"])

    results = [guarded_meet.delay("key") for _ in range(2)]

    wait_until(lambda: all(result.ready() for result in results))
    assert witness.most_at_once("key") == 2
    witness.close()
    assert worker.log.count("WARNING/MainProcess] unique_enabled is False") == 1
    assert "locks" not in worker.log


WARNING = "WARNING/MainProcess] "


def test_a_worker_warns_once_of_what_may_lose_locks_or_calls(
    start_worker, redis_server, urls
):
    redis_server.client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        worker = start_worker(
            settings={"broker_transport_options": {"visibility_timeout": 20}}
        )
    finally:
        redis_server.client.config_set("maxmemory-policy", "noeviction")

    lines = [line for line in worker.log.splitlines() if WARNING in line]
    for warning in (
        f"{urls['locks']}: Redis has maxmemory-policy allkeys-lru",
        "its message again after 20 s",
        "acks_late without reject_on_worker_lost",
    ):
        assert sum(warning in line for line in lines) == 1, lines


def test_a_worker_warns_of_nothing_that_is_right(start_worker):
    worker = start_worker(pool="solo", app="tests.worker.operating.app_shop")

    assert "locks of 1 unique tasks are in" in worker.log
    assert WARNING not in worker.log
