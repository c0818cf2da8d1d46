"""Workers that end, and connections that are lost, with calls that wait: none is lost.

They come by themselves then, after the pause of their policy.
"""

import os
import signal
from typing import Any

import celery
import pytest

from tests.servers import Proxy
from tests.waiting import wait_until
from tests.worker import tasks_waiting as tasks
from tests.worker.conftest import hasty_witness, on_both_brokers, redis_only
from tests.worker.redelivery.conftest import SETTINGS
from tests.worker.waiting.line import waiting_in
from tests.worker.witness import Witness
from tests.worker.worker_process import WorkerProcess

pytestmark = pytest.mark.worker

#: Seconds in which calls come that nobody starts early, after a worker was started.
SOON = 40.0

#: Seconds after which Redis as a broker delivers again what a dead worker had.
VISIBILITY = 6


broker = on_both_brokers
witness = hasty_witness


@pytest.fixture
def start(celery_app, start_worker):
    """Call it for a worker whose locks do not end by themselves while it lives."""

    def start(visibility=VISIBILITY, **options):
        more = options.pop("settings", {})
        transport = {**TRANSPORT, "visibility_timeout": visibility}
        lasting = {"unique_lease": 600, "broker_transport_options": transport}
        return start_worker(settings={**lasting, **more}, concurrency=4, **options)

    return start


TRANSPORT: Any = SETTINGS["broker_transport_options"]


def check_that_all_run_once(witness: Witness, key: str, results: list[Any]) -> None:
    values = [result.get(timeout=SOON) for result in results]
    assert sorted(values) == list(range(1, len(results) + 1))
    assert sorted(witness.noted(f"order {key}")) == sorted(
        ["holder", *map(str, values)]
    )
    assert witness.most_at_once(key) == 1


def check_that_all_run(witness: Witness, key: str, results: list[Any]) -> None:
    """The holder, too, whose first run was broken off."""
    values = [result.get(timeout=SOON) for result in results]
    assert values == list(range(1, len(results) + 1))
    all_runs = sorted(["holder", "holder", *map(str, values)])
    wait_until(lambda: sorted(witness.noted(f"order {key}")) == all_runs)


def received(worker: WorkerProcess, result: Any) -> int:
    """Return how often a worker was given a task."""
    return worker.log.count(f"{result.id}] received")


def test_a_worker_is_killed(start, hold, line_up, witness, key):
    first = start()
    hold(tasks.LATE, "holder")
    others = [line_up(tasks.BRIEF, number) for number in (1, 2, 3)]

    first.kill()
    witness.open(key)
    start()

    check_that_all_run(witness, key, others)


@redis_only
def test_a_worker_shuts_down_warm(start, hold, line_up, witness, key):
    first = start()
    hold(tasks.LATE, "holder")
    others = [line_up(tasks.BRIEF, number) for number in (1, 2, 3)]

    os.kill(first.pid, signal.SIGTERM)
    first.wait_for_log("Warm shutdown")
    witness.open(key)
    wait_until(lambda: not first.running, SOON)
    start()

    check_that_all_run_once(witness, key, others)


COLD: Any = {}
SOFT: Any = {"worker_soft_shutdown_timeout": 1}


@redis_only
@pytest.mark.parametrize("settings", [COLD, SOFT], ids=["cold", "soft"])
def test_a_worker_shuts_down_though_a_task_runs(
    start, hold, line_up, witness, key, settings
):
    if settings and celery.VERSION < (5, 5):
        pytest.skip("it has no soft shutdown")
    first = start(settings=settings)
    hold(tasks.LATE, "holder")
    others = [line_up(tasks.BRIEF, number) for number in (1, 2, 3)]

    os.kill(first.pid, signal.SIGQUIT)
    wait_until(lambda: not first.running, SOON)
    witness.open(key)
    start()

    check_that_all_run(witness, key, others)


def test_the_connection_to_the_broker_is_lost(start, hold, line_up, witness, key, urls):
    if celery.VERSION < (5, 4) and urls["broker"].startswith("amqp"):
        pytest.skip("Celery 5.3 fetches after it has connected again, and runs nothing")
    with Proxy(urls["broker"]) as broker:
        worker = start(broker=broker.url)
        hold(tasks.EARLY, "holder")
        others = [line_up(tasks.BRIEF, number) for number in (1, 2, 3)]
        wait_until(lambda: waiting_in(worker, tasks.BRIEF, key) == 3)

        broker.drop()
        worker.wait_for_log("Connection to broker lost")
        # They are delivered once more, beside the first time and the one after a wait.
        wait_until(lambda: all(received(worker, other) > 2 for other in others))
        witness.open(key)

        check_that_all_run_once(witness, key, others)


@redis_only
def test_what_waits_for_longer_than_the_broker_does_runs_once(
    start, hold, line_up, witness, key
):
    """Redis delivers it to another worker meanwhile, and later once more."""
    first = start(visibility=2, options=("-Q", "celery,first"))
    second = start(visibility=2)
    hold(tasks.EARLY, "holder", queue="first")
    others = [line_up(tasks.EARLY, number) for number in (1, 2, 3)]

    def are_redelivered():
        counts = [received(first, one) + received(second, one) for one in others]
        return min(counts) > 3

    wait_until(are_redelivered, SOON)

    witness.open(key)

    check_that_all_run_once(witness, key, others)
    # Each further delivery of them has nothing to do.
    witness.wait_until_idle()
    assert witness.runs(key) == 4


@redis_only
def test_a_worker_is_killed_whose_turn_it_was(start, hold, line_up, witness, key):
    start(options=("-Q", "first"))
    second = start(options=("-Q", "second"))
    hold(tasks.EARLY, "holder", queue="first")
    line_up(tasks.BRIEF, "lost", queue="second")
    other = line_up(tasks.BRIEF, 1, queue="first")

    os.killpg(second.pid, signal.SIGSTOP)
    witness.open(key)
    second.kill()

    assert other.get(timeout=SOON) == 1
    assert witness.noted(f"order {key}") == ["holder", "1"]
